import type { RunningMeanNormalisation } from '#lib/inference/manifest.ts';

export interface RunningMean {
  /** One log-mel frame, less the mean of the speech so far, over the scale; handed over as float32. */
  next(frame: Float64Array): Float32Array;
  /** What a frame of zero samples gives before the start. */
  readonly beforeStart: Float32Array;
}

/**
 * The causal normalisation of bundles/README.md ("Audio recipe", 3): a mean that knows the past alone, so that live speech is
 * normalised like a whole file. Frames whose mean over bands is not above `updateAbove` leave the mean as it is.
 *
 * @param logFloor the band energy of zero samples
 */
export function createRunningMean(normalisation: RunningMeanNormalisation, logFloor: number): RunningMean {
  const { prior, scale, priorFrames, maxFrames, updateAbove = Number.NEGATIVE_INFINITY } = normalisation;
  const mean = Float64Array.from(prior);
  let count = 0;
  return {
    next: (frame) => {
      if (average(frame) > updateAbove) {
        count += 1;
        const weight = Math.min(count + priorFrames, maxFrames);
        for (let band = 0; band < mean.length; band++) mean[band]! += (frame[band]! - mean[band]!) / weight;
      }
      return Float32Array.from(frame, (value, band) => (value - mean[band]!) / scale[band]!);
    },
    beforeStart: Float32Array.from(prior, (value, band) => (Math.log(logFloor) - value) / scale[band]!),
  };
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
