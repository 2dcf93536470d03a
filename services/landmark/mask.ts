/** The mask of the bundle's recipe, which says where the face is generated. */
import type { BundleManifest, MaskRecipe } from '#lib/inference/manifest.ts';
import { type Affine, applyAffine } from '#lib/media/affine.ts';
import { fillPolygon, type PixelPoint } from '#lib/media/polygon.ts';
import type { LandmarkPoints } from './topology.ts';

/** The outline in crop pixels: fixed vertices, and visible landmarks with an offset. Closed by itself. */
export function maskPolygon(points: LandmarkPoints, toCrop: Affine, recipe: MaskRecipe): PixelPoint[] {
  return recipe.polygon.map((vertex) => {
    if (!('landmark' in vertex)) return { x: vertex.x, y: vertex.y };
    const { landmark, dx, dy } = vertex;
    const [x, y] = applyAffine(toCrop, [points[2 * landmark]!, points[2 * landmark + 1]!]);
    return { x: x + dx, y: y + dy };
  });
}

/** A one-byte mask: 0 outside, 255 inside. */
export interface MaskPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The polygon as a picture of the whole crop, without feather. What lies outside the region is not generated. */
export function imageMask(polygon: readonly PixelPoint[], { image, region }: MaskGeometry): MaskPixels {
  const filled = fillPolygon(polygon, image.sizePx, image.sizePx);
  const data = new Uint8Array(filled.length);
  for (let y = region.y; y < region.y + region.height; y++) {
    const start = y * image.sizePx + region.x;
    data.set(filled.subarray(start, start + region.width), start);
  }
  return { width: image.sizePx, height: image.sizePx, data };
}

/** The latent cells of the region of which any pixel is inside; what a masked sampler must generate. */
export function latentMask(mask: MaskPixels, { image, region }: MaskGeometry): MaskPixels {
  const cell = image.downsampling;
  const [width, height] = [region.width / cell, region.height / cell];
  const data = new Uint8Array(width * height);
  for (let y = 0; y < region.height; y++) {
    const row = (region.y + y) * mask.width + region.x;
    for (let x = 0; x < region.width; x++) {
      if (mask.data[row + x] !== 0) data[Math.floor(y / cell) * width + Math.floor(x / cell)] = 255;
    }
  }
  return { width, height, data };
}

type MaskGeometry = Pick<BundleManifest, 'image' | 'region'>;
