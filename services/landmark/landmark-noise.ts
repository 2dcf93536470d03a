/** How nervous the landmarks are, measured on the points that cannot move within the face. */
import { RIGID } from './topology.ts';

/** Share of a frame in the running estimate. */
const NOISE_RATE = 0.05;
/** A frame counts no more than this many times the estimate: a cut or a glitch is not noise. */
const MAX_SURPRISE = 9;
/** The pose is fitted to the rigid points and takes 4 of their 16 degrees of freedom with it. */
const FITTED_SHARE = 12 / 16;
/** Variance of x1 - (x0 + x2) / 2 for independent noise of variance 1. */
const SECOND_DIFFERENCE_VARIANCE = 1.5;

export interface NoiseMeter {
  /** Takes the shapes of three neighbouring frames, in face coordinates. */
  add(before: Float64Array, shape: Float64Array, after: Float64Array): void;
  /** Standard deviation of one rigid point along one axis, in outer eye distances; 0 before any frame. */
  deviation(): number;
}

export function createNoiseMeter(): NoiseMeter {
  let variance = 0;
  let count = 0;
  return {
    add(before, shape, after) {
      let sum = 0;
      for (const index of RIGID) {
        for (const i of [2 * index, 2 * index + 1]) sum += (shape[i]! - (before[i]! + after[i]!) / 2) ** 2;
      }
      const seen = sum / (2 * RIGID.length) / SECOND_DIFFERENCE_VARIANCE / FITTED_SHARE;
      count++;
      const value = count === 1 ? seen : Math.min(seen, MAX_SURPRISE * variance);
      variance += Math.max(NOISE_RATE, 1 / count) * (value - variance);
    },
    deviation: () => Math.sqrt(variance),
  };
}
