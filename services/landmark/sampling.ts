/**
 * Pictures into what the face graphs read: float32 planes [3, size, size] in [-1, 1], 0 (mid-grey) outside the
 * picture. Each output pixel is the mean of the source area that it covers, and of at least one source pixel:
 * that is area averaging when a face is shrunk and linear interpolation when it is enlarged, without a step
 * between, so that a face that drifts by a fraction of a pixel does not flicker.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';

/** The upright square of a picture that is read, in picture pixels; it may reach beyond the picture. */
export interface SampledSquare {
  readonly left: number;
  readonly top: number;
  readonly sidePx: number;
}

/** The square that holds the whole picture, centred: what "letterboxed" means. */
export function letterboxSquare(width: number, height: number): SampledSquare {
  const sidePx = Math.max(width, height);
  return { left: (width - sidePx) / 2, top: (height - sidePx) / 2, sidePx };
}

/** Writes one square as three planes of size x size at `offset` of `planes`. */
export function sampleSquare(
  picture: RgbPixels,
  square: SampledSquare,
  size: number,
  planes: Float32Array,
  offset = 0,
): void {
  const across = coverage(square.left, square.sidePx, size, picture.width);
  const down = coverage(square.top, square.sidePx, size, picture.height);
  const area = size * size;
  // Boxes of neighbouring output rows share at most the last two source rows, one of each parity.
  const rows = [new Float32Array(3 * size), new Float32Array(3 * size)] as const;
  const rowOf = [-1, -1];
  const sums = new Float32Array(3 * size);
  for (let v = 0; v < size; v++) {
    sums.fill(0);
    const from = down.first[v]!;
    for (let k = 0; k < down.count[v]!; k++) {
      const y = from + k;
      const slot = y & 1;
      const row = rows[slot]!;
      if (rowOf[slot] !== y) {
        sumRow(picture, y, across, size, row);
        rowOf[slot] = y;
      }
      const weight = down.weights[v * down.reach + k]! / 127.5;
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + weight * row[i]!;
    }
    let at = offset + v * size;
    for (let u = 0; u < size; u++, at++) {
      const inside = down.inside[v]! * across.inside[u]!;
      planes[at] = sums[3 * u]! - inside;
      planes[at + area] = sums[3 * u + 1]! - inside;
      planes[at + 2 * area] = sums[3 * u + 2]! - inside;
    }
  }
}

/** For each output position: the source pixels under its box, their shares of it, and how much lies inside. */
interface Coverage {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [size, reach] */
  readonly weights: Float64Array;
  readonly reach: number;
  readonly inside: Float64Array;
}

function coverage(start: number, lengthPx: number, size: number, limit: number): Coverage {
  const step = lengthPx / size;
  const width = Math.max(1, step);
  const reach = Math.ceil(width) + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const weights = new Float64Array(size * reach);
  const inside = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const centre = start + (i + 0.5) * step;
    const from = Math.max(0, centre - width / 2);
    const to = Math.min(limit, centre + width / 2);
    if (to <= from) continue;
    first[i] = Math.floor(from);
    count[i] = Math.ceil(to) - first[i]!;
    for (let k = 0; k < count[i]!; k++) {
      const pixel = first[i]! + k;
      weights[i * reach + k] = (Math.min(to, pixel + 1) - Math.max(from, pixel)) / width;
    }
    inside[i] = (to - from) / width;
  }
  return { first, count, weights, reach, inside };
}

function sumRow(picture: RgbPixels, y: number, across: Coverage, size: number, row: Float32Array): void {
  const { data, width } = picture;
  const start = y * width * 3;
  for (let u = 0; u < size; u++) {
    let at = start + across.first[u]! * 3;
    const base = u * across.reach;
    const end = base + across.count[u]!;
    let [red, green, blue] = [0, 0, 0];
    for (let w = base; w < end; w++) {
      const weight = across.weights[w]!;
      red += weight * data[at]!;
      green += weight * data[at + 1]!;
      blue += weight * data[at + 2]!;
      at += 3;
    }
    row[3 * u] = red;
    row[3 * u + 1] = green;
    row[3 * u + 2] = blue;
  }
}
