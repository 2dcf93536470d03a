import { describe, expect, it } from 'vitest';
import { writePixels, writePlanes } from './image.ts';

describe('writePlanes()', () => {
  it('maps 0, 127.5 and 255 to -1, 0 and 1, plane after plane, from the offset on', () => {
    const planes = new Float32Array(8).fill(9);
    writePlanes(Uint8Array.of(0, 255, 51, 255, 0, 204), planes, 1);
    expect([...planes]).toEqual([9, -1, 1, 1, -1, Math.fround(-0.6), Math.fround(0.6), 9]);
  });

  it('refuses pixels that do not fit', () => {
    expect(() => writePlanes(new Uint8Array(6), new Float32Array(6), 1)).toThrow('6 RGB bytes do not fit 5');
    expect(() => writePlanes(new Uint8Array(4), new Float32Array(6))).toThrow('4 RGB bytes do not fit');
  });
});

describe('writePixels()', () => {
  it('inverts writePlanes() for every byte', () => {
    const rgb = Uint8Array.from({ length: 768 }, (_, at) => (at * 7) % 256);
    const planes = new Float32Array(770);
    writePlanes(rgb, planes, 2);
    const back = new Uint8Array(768);
    writePixels(planes, back, 2);
    expect(back).toEqual(rgb);
    expect(new Set(rgb).size).toBe(256);
  });

  it('rounds to the nearest and clamps', () => {
    const rgb = new Uint8Array(6);
    writePixels(Float32Array.of(-1.5, 1.5, 0, 0.001, 1, Number.NEGATIVE_INFINITY), rgb);
    expect([...rgb]).toEqual([0, 128, 255, 255, 128, 0]);
  });

  it('refuses planes that do not fill the pixels', () => {
    expect(() => writePixels(new Float32Array(5), new Uint8Array(6))).toThrow('5 plane values do not fill 6');
  });
});
