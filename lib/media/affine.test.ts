import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Affine,
  applyAffine,
  composeAffine,
  determinant,
  fitSimilarity,
  invertAffine,
  type PlanePoint,
  scaling,
  translation,
} from './affine.ts';

const number = fc.double({ min: -1000, max: 1000, noNaN: true });
const point = fc.tuple(number, number);
const similarity = fc
  .record({
    angle: fc.double({ min: -3, max: 3, noNaN: true }),
    scale: fc.double({ min: 0.1, max: 10, noNaN: true }),
    x: number,
    y: number,
  })
  .map(({ angle, scale, x, y }): Affine => {
    const [c, s] = [scale * Math.cos(angle), scale * Math.sin(angle)];
    return { xx: c, xy: -s, x0: x, yx: s, yy: c, y0: y };
  });

describe('affine maps', () => {
  it('compose inner first', () => {
    expect(applyAffine(composeAffine(translation(10, 0), scaling(2)), [3, 4])).toEqual([16, 8]);
  });

  it('invert', () => {
    fc.assert(
      fc.property(similarity, point, (map, [x, y]) => {
        const [u, v] = applyAffine(invertAffine(map), applyAffine(map, [x, y]));
        expect(u).toBeCloseTo(x, 6);
        expect(v).toBeCloseTo(y, 6);
      }),
    );
  });

  it('refuse to invert a map onto a line', () => {
    expect(() => invertAffine({ xx: 1, xy: 2, x0: 0, yx: 2, yy: 4, y0: 0 })).toThrow(RangeError);
  });
});

const GOLDEN = { c: 1.952380952381, s: 0.642857142857, x0: 3.059523809524, y0: -4.035714285714 };

describe('fitSimilarity()', () => {
  it('finds the map that made the points', () => {
    const points: PlanePoint[] = [
      [0, 0],
      [10, 3],
      [-5, 8],
      [2, -7],
    ];
    fc.assert(
      fc.property(similarity, (map) => {
        const fitted = fitSimilarity(
          points,
          points.map((p) => applyAffine(map, p)),
        );
        for (const key of ['xx', 'xy', 'x0', 'yx', 'yy', 'y0'] as const)
          expect(fitted[key]).toBeCloseTo(map[key], 6);
      }),
    );
  });

  it('never mirrors, even onto a mirrored template', () => {
    const points: PlanePoint[] = [
      [0, 0],
      [4, 0],
      [0, 1],
    ];
    const fitted = fitSimilarity(
      points,
      points.map(([x, y]): PlanePoint => [-x, y]),
    );
    expect(determinant(fitted)).toBeGreaterThan(0);
  });

  it('agrees with the least-squares solution of the normal equations', () => {
    // numpy.linalg.lstsq of [x -y 1 0; y x 0 1] for these points: c, s, x0, y0.
    const points: PlanePoint[] = [
      [1, 2],
      [4, 3],
      [2, 8],
      [7, 5],
    ];
    const template: PlanePoint[] = [
      [3, 1],
      [9, 4],
      [2, 12],
      [14, 11],
    ];
    const fitted = fitSimilarity(points, template);
    expect(fitted.xx).toBeCloseTo(GOLDEN.c, 9);
    expect(fitted.yx).toBeCloseTo(GOLDEN.s, 9);
    expect(fitted.x0).toBeCloseTo(GOLDEN.x0, 9);
    expect(fitted.y0).toBeCloseTo(GOLDEN.y0, 9);
  });

  it('refuses points that coincide and lists of different length', () => {
    expect(() =>
      fitSimilarity(
        [
          [1, 1],
          [1, 1],
        ],
        [
          [0, 0],
          [1, 1],
        ],
      ),
    ).toThrow(RangeError);
    expect(() => fitSimilarity([[1, 1]], [])).toThrow(RangeError);
  });
});
