/**
 * Puts a generated region back into the frame that it came from. Outside the mask the frame is the original,
 * bit for bit; inside, the generated pixels fade in along the bundle's feather.
 */
import type { Affine } from '#lib/media/affine.ts';
import { invertAffine } from '#lib/media/affine.ts';
import { featherMask, fillPolygon, type PixelPoint } from '#lib/media/polygon.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { matchColours } from './colour-match.ts';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The generated area in region pixels: its hard mask, its blend weights and its bounding box. */
export interface RegionMask {
  readonly polygon: readonly PixelPoint[];
  /** 255 where pixels are generated. */
  readonly mask: Uint8Array;
  /** Blend weights in [0, 1]. */
  readonly weights: Float32Array;
}

/** Makes region masks from crop polygons; equal polygons, the usual case, are drawn once. */
export function createRegionMasks(region: Rectangle, featherPx: number) {
  let last: RegionMask | undefined;
  return (cropPolygon: readonly PixelPoint[]): RegionMask => {
    const polygon = cropPolygon.map((point) => ({ x: point.x - region.x, y: point.y - region.y }));
    if (last !== undefined && samePolygon(last.polygon, polygon)) return last;
    const mask = fillPolygon(polygon, region.width, region.height);
    last = { polygon, mask, weights: featherMask(mask, region.width, region.height, featherPx) };
    return last;
  };
}

function samePolygon(a: readonly PixelPoint[], b: readonly PixelPoint[]): boolean {
  return a.length === b.length && a.every((point, i) => point.x === b[i]!.x && point.y === b[i]!.y);
}

/** The region with the masked pixels at the fill value: what the denoiser may know of the frame. */
export function maskRegion(region: RgbPixels, mask: Uint8Array, fillByte: number): RgbPixels {
  const data = new Uint8Array(region.data);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 0) data.fill(fillByte, i * 3, i * 3 + 3);
  }
  return { width: region.width, height: region.height, data };
}

/** Where a face goes; a Shot is one. */
export interface BlendTarget {
  /** The source frame; read only. */
  readonly frame: RgbPixels;
  /** The region that is replaced, cut from the source frame; read only. */
  readonly originalRegion: RgbPixels;
  /** Frame pixels to region pixels. */
  readonly toRegion: Affine;
  readonly mask: RegionMask;
}

/** The frame with the generated region in it, as a new picture. */
export function blendFace(target: BlendTarget, generated: RgbPixels): RgbPixels {
  const { frame, originalRegion, toRegion, mask } = target;
  const { width, height } = generated;
  const matched = matchColours(generated.data, originalRegion.data, mask.mask, width, height);
  const data = new Uint8Array(frame.data);
  const level = shrink(matched, mask.weights, width, height, toRegion);
  const box = boundingBox(mask.polygon, toRegion, frame);
  for (let y = box.y; y < box.y + box.height; y++) {
    for (let x = box.x; x < box.x + box.width; x++) {
      const u = (toRegion.xx * (x + 0.5) + toRegion.xy * (y + 0.5) + toRegion.x0) / level.scale - 0.5;
      const v = (toRegion.yx * (x + 0.5) + toRegion.yy * (y + 0.5) + toRegion.y0) / level.scale - 0.5;
      if (u <= -1 || v <= -1 || u >= level.width || v >= level.height) continue;
      mixPixel(data, (y * frame.width + x) * 3, level, u, v);
    }
  }
  return { width: frame.width, height: frame.height, data };
}

/** A face and its weights at a resolution near that of the frame; `scale` region pixels are one of its own. */
interface Level {
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly rgb: Uint8Array;
  readonly weights: Float32Array;
}

/** Halves the region by box averages while it is at least twice as fine as the frame, against aliasing. */
function shrink(rgb: Uint8Array, weights: Float32Array, width: number, height: number, to: Affine): Level {
  let level: Level = { width, height, scale: 1, rgb, weights };
  const pixelsPerFramePixel = Math.sqrt(Math.abs(to.xx * to.yy - to.xy * to.yx));
  while (pixelsPerFramePixel / level.scale >= 2 && level.width >= 2 && level.height >= 2)
    level = halve(level);
  return level;
}

function halve(level: Level): Level {
  const width = level.width >> 1;
  const height = level.height >> 1;
  const rgb = new Uint8Array(width * height * 3);
  const weights = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const a = 2 * y * level.width + 2 * x;
      const b = a + level.width;
      const target = y * width + x;
      const w = level.weights;
      weights[target] = (w[a]! + w[a + 1]! + w[b]! + w[b + 1]!) / 4;
      for (let c = 0; c < 3; c++) {
        const sum =
          level.rgb[a * 3 + c]! +
          level.rgb[a * 3 + 3 + c]! +
          level.rgb[b * 3 + c]! +
          level.rgb[b * 3 + 3 + c]!;
        rgb[target * 3 + c] = (sum + 2) >> 2;
      }
    }
  }
  return { width, height, scale: level.scale * 2, rgb, weights };
}

/** Mixes the bilinear sample at (u, v) into one pixel. */
function mixPixel(data: Uint8Array, offset: number, level: Level, u: number, v: number): void {
  const { width, height, weights, rgb } = level;
  const left = Math.floor(u);
  const top = Math.floor(v);
  const fx = u - left;
  const fy = v - top;
  const x0 = left < 0 ? 0 : left;
  const x1 = left + 1 >= width ? width - 1 : left + 1;
  const y0 = (top < 0 ? 0 : top) * width;
  const y1 = (top + 1 >= height ? height - 1 : top + 1) * width;
  const a = (1 - fx) * (1 - fy);
  const b = fx * (1 - fy);
  const c = (1 - fx) * fy;
  const d = fx * fy;
  const weight =
    a * weights[y0 + x0]! + b * weights[y0 + x1]! + c * weights[y1 + x0]! + d * weights[y1 + x1]!;
  if (weight <= 0) return;
  for (let channel = 0; channel < 3; channel++) {
    const value =
      a * rgb[(y0 + x0) * 3 + channel]! +
      b * rgb[(y0 + x1) * 3 + channel]! +
      c * rgb[(y1 + x0) * 3 + channel]! +
      d * rgb[(y1 + x1) * 3 + channel]!;
    const original = data[offset + channel]!;
    data[offset + channel] = Math.round(original + (value - original) * weight);
  }
}

/** The frame pixels that the polygon can touch. */
function boundingBox(polygon: readonly PixelPoint[], toRegion: Affine, frame: RgbPixels): Rectangle {
  const back = invertAffine(toRegion);
  let [left, top, right, bottom] = [frame.width, frame.height, 0, 0];
  for (const { x, y } of polygon) {
    const u = back.xx * x + back.xy * y + back.x0;
    const v = back.yx * x + back.yy * y + back.y0;
    left = Math.min(left, u);
    right = Math.max(right, u);
    top = Math.min(top, v);
    bottom = Math.max(bottom, v);
  }
  const x = Math.max(0, Math.floor(left) - 1);
  const y = Math.max(0, Math.floor(top) - 1);
  return {
    x,
    y,
    width: Math.max(0, Math.min(frame.width, Math.ceil(right) + 1) - x),
    height: Math.max(0, Math.min(frame.height, Math.ceil(bottom) + 1) - y),
  };
}
