import type { BundleManifest } from '#lib/inference/manifest.ts';

/**
 * Which latent cells of a masked region are known: 1 where no pixel of the cell is masked, else 0; row-major.
 * A pixel counts as masked when all its channels have the fill value. A natural pixel of that very colour makes
 * its cell generated instead of known, which is harmless; the reverse cannot happen.
 *
 * @param pixels RGB bytes of the region
 */
export function knownCells(pixels: Uint8Array, manifest: BundleManifest): Uint8Array {
  const { width, height } = manifest.region;
  const cell = manifest.image.downsampling;
  const columns = width / cell;
  const fill = Math.round((manifest.mask.fill + 1) * 127.5);
  const known = new Uint8Array(columns * (height / cell)).fill(1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      if (pixels[at] !== fill || pixels[at + 1] !== fill || pixels[at + 2] !== fill) continue;
      known[Math.floor(y / cell) * columns + Math.floor(x / cell)] = 0;
    }
  }
  return known;
}

/** Replaces the known cells of every channel of `latents` by those of `replacement`. */
export function replaceKnown(latents: Float32Array, replacement: Float32Array, known: Uint8Array): void {
  for (let at = 0; at < latents.length; at++)
    if (known[at % known.length] === 1) latents[at] = replacement[at]!;
}
