/**
 * Sample rate conversion of a mono stream, the only one in talkmesh: live PCM and decoded files pass through the
 * same code, so they give the same samples. Windowed-sinc interpolation (J. O. Smith, "Digital Audio Resampling"):
 * sample n of the result lies at input position n * from / to, and depends on the input samples near it alone, so
 * the sizes of the pieces never matter.
 */

/** Zero crossings of the sinc on each side: a delay of 64 / min(from, to) seconds, 4 ms at 16 kHz. */
const ZERO_CROSSINGS = 64;
/** Kaiser's beta for 80 dB of stop band (Kaiser 1974: 0.1102 * (80 - 8.7)). */
const KAISER_BETA = 7.857;
/** The cut-off as a part of the lower Nyquist frequency: flat to 0.95 of it, 80 dB down at 1.03. */
const CUT_OFF = 0.9875;
/** Kernel values for each zero crossing; straight lines between them are wrong by less than -100 dB. */
const TABLE_DENSITY = 512;
/** Phases are kept while all of them fit into this many weights (8 MiB). */
const MAX_CACHED_WEIGHTS = 1 << 20;

export interface Resampler {
  /** The samples that the pieces so far determine. The piece may be reused afterwards. */
  push(piece: Float32Array): Float32Array;
  /** The rest, as if silence followed. ceil(samples * to / from) samples have been given then. */
  flush(): Float32Array;
}

/** Seconds of sound beyond a sample that its conversion needs. */
export function resamplerReachS(fromHz: number, toHz: number): number {
  return fromHz === toHz ? 0 : ZERO_CROSSINGS / Math.min(fromHz, toHz);
}

/** RangeError unless both rates are positive integers. */
export function createResampler(fromHz: number, toHz: number): Resampler {
  if (!Number.isInteger(fromHz) || !Number.isInteger(toHz) || fromHz < 1 || toHz < 1) {
    throw new RangeError(`cannot resample from ${fromHz} Hz to ${toHz} Hz`);
  }
  if (fromHz === toHz) return { push: (piece) => piece.slice(), flush: () => new Float32Array(0) };
  return createSincResampler(fromHz, toHz);
}

function createSincResampler(fromHz: number, toHz: number): Resampler {
  const divisor = greatestCommonDivisor(fromHz, toHz);
  const [step, phases] = [fromHz / divisor, toHz / divisor];
  const stretch = Math.max(1, fromHz / toHz);
  const reach = Math.ceil(ZERO_CROSSINGS * stretch);
  const weightsOf = createPhases(phases, reach, stretch);
  // held[0] is input sample `origin`; `reach` zeros precede the first sample.
  let held = new Float32Array(reach);
  let origin = -reach;
  let received = 0;
  // The next result lies at input position `position + phase / phases`.
  let position = 0;
  let phase = 0;

  const produce = (count: number): Float32Array => {
    const result = new Float32Array(count);
    for (let n = 0; n < count; n++) {
      const weights = weightsOf(phase);
      const start = position - reach + 1 - origin;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * held[start + k]!;
      result[n] = sum;
      phase += step;
      position += Math.floor(phase / phases);
      phase %= phases;
    }
    const keepFrom = Math.min(Math.max(position - reach + 1 - origin, 0), held.length);
    held = held.slice(keepFrom);
    origin += keepFrom;
    return result;
  };
  /** How many results lie before input position `end`. */
  const resultsBefore = (end: number): number => {
    const ahead = (end - position) * phases - phase;
    return ahead <= 0 ? 0 : Math.ceil(ahead / step);
  };
  const append = (piece: Float32Array) => {
    const joined = new Float32Array(held.length + piece.length);
    joined.set(held);
    joined.set(piece, held.length);
    held = joined;
  };
  return {
    push: (piece) => {
      append(piece);
      received += piece.length;
      return produce(resultsBefore(received - reach));
    },
    flush: () => {
      append(new Float32Array(reach + 1));
      return produce(resultsBefore(received));
    },
  };
}

/** The weights of the 2 * reach input samples around a result, for each fractional position phase / phases. */
function createPhases(phases: number, reach: number, stretch: number): (phase: number) => Float64Array {
  const cache =
    phases * reach * 2 <= MAX_CACHED_WEIGHTS ? new Array<Float64Array | undefined>(phases) : undefined;
  const scratch = new Float64Array(2 * reach);
  const fill = (phase: number, weights: Float64Array) => {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) {
      weights[k] = kernel(Math.abs(k - reach + 1 - phase / phases) / stretch);
      sum += weights[k]!;
    }
    // Each phase passes a constant unchanged.
    for (let k = 0; k < weights.length; k++) weights[k]! /= sum;
    return weights;
  };
  return (phase) => {
    if (cache === undefined) return fill(phase, scratch);
    cache[phase] ??= fill(phase, new Float64Array(2 * reach));
    return cache[phase];
  };
}

/** The windowed sinc at `x` samples of the lower rate from its middle. */
function kernel(x: number): number {
  const at = x * TABLE_DENSITY;
  const i = Math.floor(at);
  if (i >= KERNEL.length - 1) return 0;
  return KERNEL[i]! + (KERNEL[i + 1]! - KERNEL[i]!) * (at - i);
}

const KERNEL = Float64Array.from({ length: ZERO_CROSSINGS * TABLE_DENSITY + 1 }, (_, i) => {
  const x = i / TABLE_DENSITY;
  const angle = Math.PI * CUT_OFF * x;
  const sinc = x === 0 ? 1 : Math.sin(angle) / angle;
  return sinc * (besselI0(KAISER_BETA * Math.sqrt(1 - (x / ZERO_CROSSINGS) ** 2)) / besselI0(KAISER_BETA));
});

/** The modified Bessel function of the first kind and order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
