import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLogMel } from './log-mel.ts';
import { melFilterbank } from './mel-filterbank.ts';
import { cutSamples, digestOf, readGolden } from './testing/golden.ts';

let given: Awaited<ReturnType<typeof readGolden>>;
beforeAll(async () => {
  given = await readGolden();
});

function logMelOf(pieces: readonly Float32Array[], end: number): Float64Array[] {
  const logMel = createLogMel(given.recipe);
  return [...pieces.flatMap((piece) => logMel.push(piece)), ...logMel.flush(end)];
}

const sumOf = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);

describe('melFilterbank()', () => {
  it('agrees with numpy', () => {
    const filters = melFilterbank(given.recipe);
    const { filterbank, tolerance } = given.golden;
    expect(filters).toHaveLength(given.recipe.bands);
    expect(Math.abs(sumOf(filters.flatMap(({ weights }) => [...weights])) - filterbank.sum)).toBeLessThan(
      1e-6,
    );
    for (const [band, sum] of filterbank.rowSums.entries()) {
      expect(Math.abs(sumOf(filters[band]!.weights) - sum)).toBeLessThan(1e-8);
    }
    for (const [band, row] of [
      [10, filterbank.row10],
      [79, filterbank.row79],
    ] as const) {
      for (const [i, value] of row.values.entries()) {
        const weight = filters[band]!.weights[row.firstBin + i - filters[band]!.firstBin] ?? 0;
        expect(Math.abs(weight - value)).toBeLessThan(tolerance.filterbank);
      }
    }
  });
});

describe('createLogMel()', () => {
  it('agrees with numpy', () => {
    const { logMel, tolerance } = given.golden;
    const frames = logMelOf([given.samples], logMel.frames);
    expect(frames).toHaveLength(logMel.frames);
    expect(Math.abs(sumOf(frames.map(sumOf)) - logMel.sum)).toBeLessThan(1e-4);
    for (const [frame, row] of Object.entries(logMel.rows)) {
      for (const [band, value] of row.entries()) {
        expect(Math.abs(frames[Number(frame)]![band]! - value)).toBeLessThan(tolerance.logMel);
      }
    }
  });

  it('gives the same bits however the samples come', () => {
    const { logMel } = given.golden;
    const whole = logMelOf([given.samples], logMel.frames);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 12 }), (sizes) => {
        const frames = logMelOf(cutSamples(given.samples, sizes), logMel.frames);
        expect(digestOf(frames)).toBe(digestOf(whole));
      }),
      { numRuns: 20 },
    );
  });

  it('gives the floor for zero samples', () => {
    for (const value of logMelOf([], 3).flatMap((frame) => [...frame])) expect(value).toBe(Math.log(1e-5));
  });

  it('gives no frame before its last sample is there', () => {
    const logMel = createLogMel(given.recipe);
    expect(logMel.push(new Float32Array(199))).toHaveLength(0);
    expect(logMel.push(new Float32Array(1))).toHaveLength(1);
    expect(logMel.push(new Float32Array(159))).toHaveLength(0);
    expect(logMel.push(new Float32Array(1))).toHaveLength(1);
  });
});
