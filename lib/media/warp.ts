/** Cutting a picture out of another by an affine map. */
import { type Affine, determinant, invertAffine } from './affine.ts';
import type { RgbPixels } from './rgb-frame.ts';

/** Above this many source pixels for one of the result, the source is halved first. */
const MAX_DIRECT_SHRINK = 4;

/**
 * The picture of `size` whose pixels (u, v) are those of `source` under `map` (source pixels to result pixels).
 * Enlarging is bilinear; shrinking weighs source pixels by a tent as wide as the shrink, so that nothing
 * aliases and sharpness changes smoothly with scale. Beyond the source its edge goes on. RangeError for a
 * singular map.
 */
export function warpAffineRgb(
  source: RgbPixels,
  map: Affine,
  size: { readonly width: number; readonly height: number },
): { width: number; height: number; data: Uint8Array } {
  const back = invertAffine(map);
  const shrink = Math.sqrt(Math.abs(determinant(back)));
  const halvings = Math.max(0, Math.ceil(Math.log2(shrink / MAX_DIRECT_SHRINK)));
  let level: Level = { ...source, left: 0, top: 0, scale: 1 };
  if (halvings > 0) level = cut(source, back, size, 2 ** halvings);
  for (let i = 0; i < halvings; i++) level = halve(level);
  const data = new Uint8Array(size.width * size.height * 3);
  const radius = Math.max(1, shrink / level.scale);
  if (radius === 1) sampleBilinear(level, back, size, data);
  else sampleTent(level, back, size, data, radius);
  return { width: size.width, height: size.height, data };
}

/** A part of a picture, `scale` times smaller. Its top left corner is at (left, top) in its own pixels. */
interface Level extends RgbPixels {
  readonly left: number;
  readonly top: number;
  readonly scale: number;
}

function sampleBilinear(
  level: Level,
  back: Affine,
  size: { width: number; height: number },
  out: Uint8Array,
): void {
  const { data, width, height, left, top, scale } = level;
  const maxX = width - 1;
  const maxY = height - 1;
  const [dx, dy] = [back.xx / scale, back.yx / scale];
  let target = 0;
  for (let v = 0; v < size.height; v++) {
    const rowX = (back.xy * (v + 0.5) + back.x0) / scale - left - 0.5;
    const rowY = (back.yy * (v + 0.5) + back.y0) / scale - top - 0.5;
    for (let u = 0; u < size.width; u++) {
      const x = clamp(rowX + dx * (u + 0.5), maxX);
      const y = clamp(rowY + dy * (u + 0.5), maxY);
      const x0 = x | 0;
      const y0 = y | 0;
      const fx = x - x0;
      const fy = y - y0;
      const a = (y0 * width + x0) * 3;
      const b = x0 < maxX ? a + 3 : a;
      const down = y0 < maxY ? width * 3 : 0;
      const wa = (1 - fx) * (1 - fy);
      const wb = fx * (1 - fy);
      const wc = (1 - fx) * fy;
      const wd = fx * fy;
      for (let c = 0; c < 3; c++) {
        const value =
          wa * data[a + c]! + wb * data[b + c]! + wc * data[a + down + c]! + wd * data[b + down + c]!;
        out[target++] = value + 0.5;
      }
    }
  }
}

function sampleTent(
  level: Level,
  back: Affine,
  size: { width: number; height: number },
  out: Uint8Array,
  radius: number,
): void {
  const { data, width, height, left, top, scale } = level;
  const taps = Math.ceil(2 * radius) + 1;
  const [columns, weights] = [new Int32Array(taps), new Float64Array(taps)];
  const [dx, dy] = [back.xx / scale, back.yx / scale];
  let target = 0;
  for (let v = 0; v < size.height; v++) {
    const rowX = (back.xy * (v + 0.5) + back.x0) / scale - left - 0.5;
    const rowY = (back.yy * (v + 0.5) + back.y0) / scale - top - 0.5;
    for (let u = 0; u < size.width; u++) {
      const x = rowX + dx * (u + 0.5);
      const y = rowY + dy * (u + 0.5);
      const firstX = Math.ceil(x - radius);
      const countX = Math.floor(x + radius) - firstX + 1;
      for (let i = 0; i < countX; i++) {
        columns[i] = clampIndex(firstX + i, width) * 3;
        weights[i] = radius - Math.abs(firstX + i - x);
      }
      let [red, green, blue, total] = [0, 0, 0, 0];
      for (let row = Math.ceil(y - radius); row <= y + radius; row++) {
        const weightY = radius - Math.abs(row - y);
        const start = clampIndex(row, height) * width * 3;
        for (let i = 0; i < countX; i++) {
          const weight = weightY * weights[i]!;
          const at = start + columns[i]!;
          red += weight * data[at]!;
          green += weight * data[at + 1]!;
          blue += weight * data[at + 2]!;
          total += weight;
        }
      }
      out[target++] = red / total + 0.5;
      out[target++] = green / total + 0.5;
      out[target++] = blue / total + 0.5;
    }
  }
}

/** The part of the source that the result can show, with room for the filter, on whole blocks of `block` pixels. */
function cut(source: RgbPixels, back: Affine, size: { width: number; height: number }, block: number): Level {
  const [left, right] = span(back.xx * size.width, back.xy * size.height, back.x0, block, source.width);
  const [top, bottom] = span(back.yx * size.width, back.yy * size.height, back.y0, block, source.height);
  const width = right - left;
  const height = bottom - top;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * source.width + left) * 3;
    data.set(source.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, data, left, top, scale: 1 };
}

function span(across: number, down: number, offset: number, block: number, limit: number): [number, number] {
  const room = 2 * MAX_DIRECT_SHRINK * block;
  const low = offset + Math.min(0, across) + Math.min(0, down) - room;
  const high = offset + Math.max(0, across) + Math.max(0, down) + room;
  const lastBlock = Math.floor((limit - 1) / block);
  const first = Math.min(Math.max(0, Math.floor(low / block)), lastBlock);
  const end = Math.max(first + 1, Math.ceil(high / block));
  return [first * block, Math.min(limit, end * block)];
}

/** Averages of 2x2 pixels; an odd last row or column counts double. */
function halve(level: Level): Level {
  const width = Math.ceil(level.width / 2);
  const height = Math.ceil(level.height / 2);
  const { data } = level;
  const out = new Uint8Array(width * height * 3);
  let target = 0;
  for (let y = 0; y < height; y++) {
    const upper = 2 * y * level.width;
    const lower = Math.min(2 * y + 1, level.height - 1) * level.width;
    for (let x = 0; x < width; x++) {
      const near = 2 * x;
      const far = Math.min(near + 1, level.width - 1);
      const [a, b] = [(upper + near) * 3, (upper + far) * 3];
      const [c, d] = [(lower + near) * 3, (lower + far) * 3];
      for (let i = 0; i < 3; i++)
        out[target++] = (data[a + i]! + data[b + i]! + data[c + i]! + data[d + i]! + 2) >> 2;
    }
  }
  return { width, height, data: out, left: level.left / 2, top: level.top / 2, scale: level.scale * 2 };
}

function clamp(value: number, max: number): number {
  return value < 0 ? 0 : value > max ? max : value;
}

function clampIndex(value: number, length: number): number {
  return value < 0 ? 0 : value >= length ? length - 1 : value;
}
