import { describe, expect, it } from 'vitest';
import { extendPath, type FacePath } from './face-path.ts';
import { faceInBox } from './testing/mean-face.ts';
import { JAW } from './topology.ts';

const faceAt = (x: number, y: number): Float64Array =>
  faceInBox({ x0: x - 50, y0: y - 50, x1: x + 50, y1: y + 50 });

function walk(count: number, at: (frame: number) => Float64Array): FacePath {
  let path: FacePath | undefined;
  for (let t = 0; t < count; t++) path = extendPath(at(t), 1.5, path);
  return path!;
}

describe('extendPath', () => {
  it('begins with the square around the face', () => {
    const { square } = walk(1, () => faceAt(200, 100));
    expect(square.centreX).toBeCloseTo(200, 9);
    expect(square.centreY).toBeCloseTo(100, 9);
    expect(square.sidePx).toBeCloseTo(150, 9);
  });

  it('stays on a face at rest', () => {
    const { square } = walk(20, () => faceAt(200, 100));
    expect(square.centreX).toBeCloseTo(200, 9);
    expect(square.sidePx).toBeCloseTo(150, 9);
  });

  it('leads a face that moves by half of its last move', () => {
    const { square } = walk(9, (t) => faceAt(200 + 6 * t, 100 - 2 * t));
    expect(square.centreX).toBeCloseTo(200 + 6 * 8 + 3, 9);
    expect(square.centreY).toBeCloseTo(100 - 2 * 8 - 1, 9);
  });

  it('hardly moves when the jaw drops, where the bounds of the face would', () => {
    const talking = (t: number): Float64Array => {
      const face = faceAt(200, 100);
      if (t === 12) for (const index of JAW.slice(3, 14)) face[2 * index + 1] = face[2 * index + 1]! + 12;
      return face;
    };
    const { square } = walk(13, talking);
    expect(square.centreY - 100).toBeLessThan(0.61);
    expect(square.sidePx - 150).toBeLessThan(1.81);
  });

  it('grows with a face that comes nearer', () => {
    const { square } = walk(60, (t) => faceInBox({ x0: 100, y0: 50, x1: 200 + t, y1: 150 + t }));
    expect(square.sidePx).toBeGreaterThan(1.5 * 145);
  });
});
