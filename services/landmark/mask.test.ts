import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BundleManifest, MaskRecipe } from '#lib/inference/manifest.ts';
import { parseManifest } from '#lib/inference/manifest-parser.ts';
import { applyAffine } from '#lib/media/affine.ts';
import { visibleLandmarks } from './conditions.ts';
import { cropTransform } from './crop.ts';
import { imageMask, latentMask, maskPolygon } from './mask.ts';
import { meanFace } from './testing/mean-face.ts';
import { DIFFTALK_VISIBLE, MOUTH, MOUTH_OPENING } from './topology.ts';

const folder = new URL('../../test/bundles/tiny/', import.meta.url);
const manifest: BundleManifest = parseManifest(
  JSON.parse(readFileSync(new URL('bundle.json', folder), 'utf8')),
  'tiny',
);

/** The mean face somewhere in a picture: turned, scaled, shifted, and with its chin and lips moved. */
const placedFace = fc
  .record({
    scale: fc.double({ min: 0.2, max: 4, noNaN: true }),
    roll: fc.double({ min: -0.7, max: 0.7, noNaN: true }),
    x: fc.double({ min: -300, max: 2000, noNaN: true }),
    y: fc.double({ min: -300, max: 2000, noNaN: true }),
  })
  .map(({ scale, roll, x, y }) => {
    const [a, b] = [scale * Math.cos(roll), scale * Math.sin(roll)];
    const face = meanFace();
    return face.map((_, i) => {
      const at = 2 * Math.floor(i / 2);
      const [u, v] = [face[at]!, face[at + 1]!];
      return i % 2 === 0 ? a * u - b * v + x : b * u + a * v + y;
    });
  });

const mouthShift = fc.array(fc.double({ min: -60, max: 60, noNaN: true }), {
  minLength: 2 * MOUTH_OPENING.length,
  maxLength: 2 * MOUTH_OPENING.length,
});

function talk(points: Float64Array, shift: readonly number[]): Float64Array {
  const moved = points.slice();
  for (const [k, index] of MOUTH_OPENING.entries()) {
    moved[2 * index] = moved[2 * index]! + shift[2 * k]!;
    moved[2 * index + 1] = moved[2 * index + 1]! + shift[2 * k + 1]!;
  }
  return moved;
}

/** A recipe like that of the original code, whose mask hangs on landmarks. */
const HANGING: MaskRecipe = {
  ...manifest.mask,
  polygon: [
    { landmark: 1, dx: 20, dy: 90 },
    { landmark: 30, dx: 0, dy: 40 },
    { landmark: 15, dx: -20, dy: 90 },
    { x: 256, y: 480 },
  ],
};

describe('what the denoiser is shown', () => {
  it.each([
    ['a fixed mask', manifest.mask],
    ['a mask that hangs on landmarks', HANGING],
  ])('carries nothing of chin and mouth: transform, landmarks and %s stay bit for bit', (_, mask) => {
    fc.assert(
      fc.property(placedFace, mouthShift, (points, shift) => {
        const [still, talking] = [points, talk(points, shift)].map((face) => {
          const transform = cropTransform(face, manifest.crop);
          return {
            transform,
            visible: visibleLandmarks(face, transform, manifest).data,
            polygon: maskPolygon(face, transform, mask),
          };
        });
        expect(talking).toEqual(still);
      }),
      { numRuns: 50 },
    );
  });

  it('hides the mouth whole, with 8 px to spare, and stays inside the region', () => {
    const { region } = manifest;
    fc.assert(
      fc.property(placedFace, (points) => {
        const transform = cropTransform(points, manifest.crop);
        const polygon = maskPolygon(points, transform, manifest.mask);
        for (const { x, y } of polygon) {
          expect(x).toBeGreaterThanOrEqual(region.x);
          expect(x).toBeLessThanOrEqual(region.x + region.width);
          expect(y).toBeGreaterThanOrEqual(region.y);
          expect(y).toBeLessThanOrEqual(region.y + region.height);
        }
        const { data, width } = imageMask(polygon, manifest);
        for (const index of MOUTH) {
          const [x, y] = applyAffine(transform, [points[2 * index]!, points[2 * index + 1]!]);
          for (const [dx, dy] of [
            [-8, 0],
            [8, 0],
            [0, -8],
            [0, 8],
          ] as const) {
            expect(data[Math.floor(y + dy) * width + Math.floor(x + dx)]).toBe(255);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('maskPolygon', () => {
  it('adds offsets in crop pixels to landmarks in crop pixels', () => {
    const face = meanFace().map((value) => 3 * value);
    const polygon = maskPolygon(face, cropTransform(face, manifest.crop), HANGING);
    expect(polygon[1]!.x).toBeCloseTo(256, 1);
    expect(polygon[1]!.y).toBeCloseTo(255.47 + 40, 1);
    expect(polygon[3]).toEqual({ x: 256, y: 480 });
  });
});

describe('imageMask', () => {
  it('ends at the region', () => {
    const everywhere = [
      { x: -9, y: -9 },
      { x: 600, y: -9 },
      { x: 600, y: 600 },
      { x: -9, y: 600 },
    ];
    const { data } = imageMask(everywhere, manifest);
    const { region } = manifest;
    expect(data.reduce((count, value) => count + (value === 255 ? 1 : 0), 0)).toBe(
      region.width * region.height,
    );
    expect(data[region.y * 512 + region.x]).toBe(255);
    expect(data[region.y * 512 + region.x - 1]).toBe(0);
  });
});

describe('latentMask', () => {
  it('marks exactly the cells with a masked pixel', () => {
    const { region, image } = manifest;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ x: fc.integer({ min: 100, max: 420 }), y: fc.integer({ min: 200, max: 510 }) }),
          {
            minLength: 3,
            maxLength: 8,
          },
        ),
        (polygon) => {
          const pixels = imageMask(polygon, manifest);
          const cells = latentMask(pixels, manifest);
          expect([cells.width, cells.height]).toEqual([region.width / 8, region.height / 8]);
          for (let row = 0; row < cells.height; row++) {
            for (let column = 0; column < cells.width; column++) {
              let touched = 0;
              for (let y = 0; y < 8; y++) {
                const start = (region.y + row * 8 + y) * image.sizePx + region.x + column * 8;
                touched = Math.max(touched, ...pixels.data.subarray(start, start + 8));
              }
              expect(cells.data[row * cells.width + column]).toBe(touched);
            }
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('visibleLandmarks', () => {
  it('gives fractions of the crop in the order of the recipe', () => {
    const face = meanFace().map((value) => 2 * value + 30);
    const transform = cropTransform(face, manifest.crop);
    const { shape, data } = visibleLandmarks(face, transform, manifest);
    expect(shape).toEqual([30, 2]);
    expect(data[0]! * 512).toBeCloseTo(119.6, 1);
    expect(data[1]! * 512).toBeCloseTo(204.01, 1);
  });

  it('gives the 39 points of the released DiffTalk code in crop pixels, as its encoder was trained', () => {
    const face = meanFace().map((value) => 2 * value + 30);
    const landmarks = { ...manifest.landmarks, visible: DIFFTALK_VISIBLE, unit: 'crop-pixels' as const };
    const transform = cropTransform(face, manifest.crop);
    const { shape, data } = visibleLandmarks(face, transform, { ...manifest, landmarks });
    expect(shape).toEqual([39, 2]);
    expect(data[1]).toBeCloseTo(204.01, 1);
    // Row 4 is point 13: the lower jaw, 4 to 12, is left out.
    expect(data[8]).toBeCloseTo(372.51, 1);
  });
});
