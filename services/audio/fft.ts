/** In-place radix-2 FFT of real input in float64 (Cooley & Tukey 1965, decimation in time). */

export interface PowerSpectrum {
  readonly size: number;
  /** |X_k|^2 for k = 0 … size / 2 of `size` real samples, into `power`. The samples are left as they are. */
  of(samples: Float64Array, power: Float64Array): void;
}

/** RangeError unless `size` is a power of two of at least 2. */
export function createPowerSpectrum(size: number): PowerSpectrum {
  if (size < 2 || !Number.isInteger(Math.log2(size)))
    throw new RangeError(`FFT size ${size} is no power of two`);
  const real = new Float64Array(size);
  const imaginary = new Float64Array(size);
  const cosines = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
  const sines = Float64Array.from({ length: size / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
  const reversed = bitReversal(size);
  return {
    size,
    of: (samples, power) => {
      for (let i = 0; i < size; i++) real[reversed[i]!] = samples[i]!;
      imaginary.fill(0);
      for (let span = 1; span < size; span *= 2) butterflies(real, imaginary, cosines, sines, span);
      for (let k = 0; k <= size / 2; k++) power[k] = real[k]! * real[k]! + imaginary[k]! * imaginary[k]!;
    },
  };
}

/** Joins transforms of `span` points to transforms of 2 * span. */
function butterflies(
  real: Float64Array,
  imaginary: Float64Array,
  cosines: Float64Array,
  sines: Float64Array,
  span: number,
): void {
  const stride = real.length / (2 * span);
  for (let start = 0; start < real.length; start += 2 * span) {
    for (let k = 0; k < span; k++) {
      const even = start + k;
      const odd = even + span;
      const c = cosines[k * stride]!;
      const s = sines[k * stride]!;
      const re = real[odd]! * c + imaginary[odd]! * s;
      const im = imaginary[odd]! * c - real[odd]! * s;
      real[odd] = real[even]! - re;
      imaginary[odd] = imaginary[even]! - im;
      real[even]! += re;
      imaginary[even]! += im;
    }
  }
}

function bitReversal(size: number): Uint32Array {
  const bits = Math.log2(size);
  return Uint32Array.from({ length: size }, (_, i) => {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit);
    return reversed;
  });
}
