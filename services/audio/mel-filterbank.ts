import type { AudioRecipe } from '#lib/inference/manifest.ts';

/** One triangle: its weights on the FFT bins from `firstBin` on. */
export interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
  readonly centreHz: number;
}

type BankRecipe = Pick<AudioRecipe, 'sampleRateHz' | 'fftSize' | 'bands' | 'minHz' | 'maxHz'>;

/**
 * Triangles of peak 1 whose bands + 2 corners are equally spaced on the HTK mel scale, 2595 log10(1 + f / 700),
 * evaluated at the bins k * sampleRateHz / fftSize (bundles/README.md, "Audio recipe", 2).
 */
export function melFilterbank(recipe: BankRecipe): MelFilter[] {
  const { bands, minHz, maxHz } = recipe;
  const [low, high] = [toMel(minHz), toMel(maxHz)];
  const corner = (i: number) => toHz(low + ((high - low) * i) / (bands + 1));
  return Array.from({ length: bands }, (_, band) =>
    triangle(recipe, corner(band), corner(band + 1), corner(band + 2)),
  );
}

function triangle(
  { sampleRateHz, fftSize }: BankRecipe,
  fromHz: number,
  centreHz: number,
  toHz: number,
): MelFilter {
  const binHz = sampleRateHz / fftSize;
  const firstBin = Math.max(0, Math.ceil(fromHz / binHz));
  const lastBin = Math.min(fftSize / 2, Math.floor(toHz / binHz));
  const weights = Float64Array.from({ length: Math.max(0, lastBin - firstBin + 1) }, (_, i) => {
    const hz = (firstBin + i) * binHz;
    return Math.max(0, Math.min((hz - fromHz) / (centreHz - fromHz), (toHz - hz) / (toHz - centreHz)));
  });
  return { firstBin, weights, centreHz };
}

function toMel(hz: number): number {
  return 2595 * Math.log10(1 + hz / 700);
}

function toHz(mel: number): number {
  return 700 * (10 ** (mel / 2595) - 1);
}
