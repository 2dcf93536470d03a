import { describe, expect, it } from 'vitest';
import { createRunningMean } from './normalise.ts';

const BASE = { kind: 'running-mean', prior: [1, -2], priorFrames: 2, maxFrames: 4, scale: [2, 0.5] } as const;

describe('createRunningMean()', () => {
  it('follows the definition', () => {
    const mean = createRunningMean(BASE, 1e-5);
    // m_1 = 1 + (4 - 1) / 3 = 2; y = (4 - 2) / 2. Second band: -2 + (1 + 2) / 3 = -1; (1 + 1) / 0.5.
    expect([...mean.next(Float64Array.of(4, 1))]).toEqual([1, 4]);
    // m_2 = 2 + (4 - 2) / 4 = 2.5, and -1 + (-1 + 1) / 4 = -1.
    expect([...mean.next(Float64Array.of(4, -1))]).toEqual([0.75, 0]);
    // The weight stays 1 / maxFrames.
    expect([...mean.next(Float64Array.of(2.5, -1))]).toEqual([0, 0]);
    expect([...mean.next(Float64Array.of(6.5, -1))]).toEqual([1.5, 0]);
  });

  it('lets silence leave the mean alone', () => {
    const mean = createRunningMean({ ...BASE, updateAbove: -5 }, 1e-5);
    expect([...mean.next(Float64Array.of(-11, -11))]).toEqual([-6, -18]);
    expect([...mean.next(Float64Array.of(4, 1))]).toEqual([1, 4]);
    // A mean of exactly updateAbove is silence.
    expect([...mean.next(Float64Array.of(-5, -5))]).toEqual([-3.5, -8]);
    expect([...mean.next(Float64Array.of(2, -1))]).toEqual([0, 0]);
  });

  it('gives what zero samples give before the start', () => {
    const mean = createRunningMean(BASE, 1e-5);
    expect([...mean.beforeStart]).toEqual([
      Math.fround((Math.log(1e-5) - 1) / 2),
      Math.fround((Math.log(1e-5) + 2) / 0.5),
    ]);
  });
});
