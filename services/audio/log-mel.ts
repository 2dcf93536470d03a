import type { AudioRecipe } from '#lib/inference/manifest.ts';
import { createPowerSpectrum } from './fft.ts';
import { melFilterbank } from './mel-filterbank.ts';

/** Frames of `bands` natural logarithms of mel power. */
export interface LogMel {
  /** The frames that the samples so far complete. Frame n is centred on sample n * hopSize. */
  push(samples: Float32Array): Float64Array[];
  /** The frames up to, not including, `end`, as if zeros followed. Nothing may be pushed afterwards. */
  flush(end: number): Float64Array[];
}

/**
 * The log-mel front end of bundles/README.md ("Audio recipe", 1 and 2) as a stream, in float64: each frame depends on its own
 * samples alone, so the sizes of the pieces never matter.
 */
export function createLogMel(recipe: AudioRecipe): LogMel {
  const { windowSize, hopSize, fftSize, bands, logFloor } = recipe;
  const filters = melFilterbank(recipe);
  const spectrum = createPowerSpectrum(fftSize);
  const taper = hannPeriodic(windowSize);
  const windowed = new Float64Array(fftSize);
  const power = new Float64Array(fftSize / 2 + 1);
  const half = Math.floor(windowSize / 2);
  // held[0] is sample `origin`; the first frame reads `half` zeros before the start.
  let held = new Float32Array(half);
  let origin = -half;
  let next = 0;

  const frameAt = (offset: number): Float64Array => {
    for (let i = 0; i < windowSize; i++) windowed[i] = held[offset + i]! * taper[i]!;
    spectrum.of(windowed, power);
    const frame = new Float64Array(bands);
    for (const [band, { firstBin, weights }] of filters.entries()) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * power[firstBin + k]!;
      frame[band] = Math.log(sum + logFloor);
    }
    return frame;
  };
  const framesOf = (samples: Float32Array): Float64Array[] => {
    const joined = new Float32Array(held.length + samples.length);
    joined.set(held);
    joined.set(samples, held.length);
    held = joined;
    const frames: Float64Array[] = [];
    for (; next * hopSize - half + windowSize <= origin + held.length; next++) {
      frames.push(frameAt(next * hopSize - half - origin));
    }
    const used = Math.min(next * hopSize - half - origin, held.length);
    held = held.slice(used);
    origin += used;
    return frames;
  };
  return {
    push: framesOf,
    flush: (end) => {
      if (end <= next) return [];
      const lastSample = (end - 1) * hopSize - half + windowSize;
      return framesOf(new Float32Array(Math.max(0, lastSample - origin - held.length)));
    },
  };
}

function hannPeriodic(size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, k) => 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / size));
}
