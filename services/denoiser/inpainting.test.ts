import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { parseManifest } from '#lib/inference/manifest-parser.ts';
import { knownCells, replaceKnown } from './inpainting.ts';

const tiny = parseManifest(
  JSON.parse(readFileSync(new URL('../../test/bundles/tiny/bundle.json', import.meta.url), 'utf8')),
  'tiny',
);

describe('knownCells()', () => {
  it('takes every cell with a masked pixel for generated, and no other', () => {
    const manifest: BundleManifest = { ...tiny, region: { x: 0, y: 0, width: 24, height: 16 } };
    const pixels = new Uint8Array(24 * 16 * 3).fill(90);
    const paint = (x: number, y: number, colour: readonly number[]) => pixels.set(colour, (y * 24 + x) * 3);
    paint(7, 7, [0, 0, 0]);
    paint(16, 8, [0, 0, 0]);
    paint(12, 3, [0, 0, 1]);
    expect([...knownCells(pixels, manifest)]).toEqual([0, 1, 1, 1, 1, 0]);
  });

  it('knows the fill value of the manifest', () => {
    const grey: BundleManifest = {
      ...tiny,
      region: { x: 0, y: 0, width: 8, height: 8 },
      mask: { ...tiny.mask, fill: 0 },
    };
    expect([...knownCells(new Uint8Array(192).fill(128), grey)]).toEqual([0]);
    expect([...knownCells(new Uint8Array(192), grey)]).toEqual([1]);
  });
});

describe('replaceKnown()', () => {
  it('replaces known cells in every channel', () => {
    const latents = Float32Array.of(1, 2, 3, 4, 5, 6);
    replaceKnown(latents, Float32Array.of(10, 20, 30, 40, 50, 60), Uint8Array.of(1, 0, 1));
    expect([...latents]).toEqual([10, 2, 30, 40, 5, 60]);
  });
});
