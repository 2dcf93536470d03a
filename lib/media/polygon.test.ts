import { describe, expect, it } from 'vitest';
import { featherMask, fillPolygon } from './polygon.ts';

const square = (x0: number, y0: number, x1: number, y1: number) => [
  { x: x0, y: y0 },
  { x: x1, y: y0 },
  { x: x1, y: y1 },
  { x: x0, y: y1 },
];

describe('fillPolygon', () => {
  it('sets the pixels whose centres lie inside', () => {
    const mask = fillPolygon(square(2, 1, 5, 3), 8, 4);
    const set = [...mask.keys()].filter((i) => mask[i] === 255);
    expect(set).toEqual([10, 11, 12, 18, 19, 20]);
  });

  it('clips what lies outside the picture', () => {
    const mask = fillPolygon(square(-10, -10, 100, 100), 5, 3);
    expect(mask.every((value) => value === 255)).toBe(true);
  });

  it('leaves a hole where the outline crosses itself twice', () => {
    const ring = [...square(0, 0, 9, 9), { x: 0, y: 0 }, ...square(3, 3, 6, 6), { x: 3, y: 3 }];
    const mask = fillPolygon(ring, 9, 9);
    expect(mask[4 * 9 + 4]).toBe(0);
    expect(mask[1 * 9 + 1]).toBe(255);
  });
});

describe('featherMask', () => {
  it('is zero outside, rises inwards and reaches one at the feather width', () => {
    const width = 40;
    const weights = featherMask(fillPolygon(square(5, 5, 35, 35), width, width), width, width, 8);
    const row = [...weights.slice(20 * width, 21 * width)];
    expect(row.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    for (let x = 5; x < 13; x++) expect(row[x]!).toBeGreaterThan(row[x - 1]!);
    expect(row[13]).toBe(1);
    expect(row[20]).toBe(1);
  });

  it('measures exact Euclidean distances', () => {
    const width = 21;
    const mask = new Uint8Array(width * width).fill(255);
    mask[10 * width + 10] = 0;
    const weights = featherMask(mask, width, width, 100);
    const t = Math.sqrt(3 * 3 + 4 * 4) / 100;
    expect(weights[14 * width + 13]).toBeCloseTo(t * t * (3 - 2 * t), 6);
  });

  it('does not fade at the border of the picture', () => {
    const weights = featherMask(new Uint8Array(16).fill(255), 4, 4, 3);
    expect([...weights]).toEqual(new Array(16).fill(1));
  });
});
