/** Polygons as masks: filling, and the soft edge that a blend needs. */

export interface PixelPoint {
  readonly x: number;
  readonly y: number;
}

/**
 * The pixels whose centres lie inside a closed polygon (even-odd rule), as one byte each: 0 outside, 255 inside.
 * Points are in pixels of the mask; the centre of pixel (i, j) is (i + 0.5, j + 0.5).
 */
export function fillPolygon(points: readonly PixelPoint[], width: number, height: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  const crossings: number[] = [];
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    crossings.length = 0;
    for (let i = 0; i < points.length; i++) {
      const a = points[i]!;
      const b = points[(i + 1) % points.length]!;
      if (a.y <= y === b.y <= y) continue;
      crossings.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    crossings.sort((left, right) => left - right);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = Math.max(0, Math.ceil(crossings[i]! - 0.5));
      const to = Math.min(width, Math.ceil(crossings[i + 1]! - 0.5));
      if (to > from) mask.fill(255, row * width + from, row * width + to);
    }
  }
  return mask;
}

/**
 * Blend weights in [0, 1] that rise from 0 at the mask's edge to 1 at `featherPx` inside it, along a smooth
 * step so that neither end shows. Pixels beyond the picture count as inside: a mask may end at its border.
 */
export function featherMask(
  mask: Uint8Array,
  width: number,
  height: number,
  featherPx: number,
): Float32Array {
  const weights = new Float32Array(width * height);
  const distances = squaredDistancesToZero(mask, width, height);
  for (let i = 0; i < weights.length; i++) {
    if (mask[i] === 0) continue;
    const t = featherPx > 0 ? Math.min(1, Math.sqrt(distances[i]!) / featherPx) : 1;
    weights[i] = t * t * (3 - 2 * t);
  }
  return weights;
}

/** Exact squared distances to the nearest zero pixel (Felzenszwalb and Huttenlocher 2012), in linear time. */
function squaredDistancesToZero(mask: Uint8Array, width: number, height: number): Float64Array {
  const far = (width + height) ** 2;
  const grid = new Float64Array(width * height);
  for (let i = 0; i < grid.length; i++) grid[i] = mask[i] === 0 ? 0 : far;
  const transform = createLineTransform(Math.max(width, height));
  for (let x = 0; x < width; x++) transform(grid, x, width, height);
  for (let y = 0; y < height; y++) transform(grid, y * width, 1, width);
  return grid;
}

/** The lower envelope of parabolas rooted at each sample of a line. */
function createLineTransform(capacity: number) {
  const values = new Float64Array(capacity);
  const roots = new Int32Array(capacity);
  const bounds = new Float64Array(capacity + 1);
  return (grid: Float64Array, offset: number, stride: number, count: number): void => {
    for (let i = 0; i < count; i++) values[i] = grid[offset + i * stride]!;
    let last = 0;
    roots[0] = 0;
    bounds[0] = Number.NEGATIVE_INFINITY;
    bounds[1] = Number.POSITIVE_INFINITY;
    for (let i = 1; i < count; i++) {
      let meeting = intersection(values, roots[last]!, i);
      while (meeting <= bounds[last]!) {
        last--;
        meeting = intersection(values, roots[last]!, i);
      }
      last++;
      roots[last] = i;
      bounds[last] = meeting;
      bounds[last + 1] = Number.POSITIVE_INFINITY;
    }
    let k = 0;
    for (let i = 0; i < count; i++) {
      while (bounds[k + 1]! < i) k++;
      const root = roots[k]!;
      grid[offset + i * stride] = (i - root) ** 2 + values[root]!;
    }
  };
}

function intersection(values: Float64Array, left: number, right: number): number {
  return (values[right]! + right * right - values[left]! - left * left) / (2 * (right - left));
}
