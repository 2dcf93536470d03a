/**
 * Plane maps (x, y) -> (xx * x + xy * y + x0, yx * x + yy * y + y0). Points are in pixels; (0, 0) is the top left
 * corner of the top left pixel, so the middle of that pixel is (0.5, 0.5).
 */
export interface Affine {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
}

export type PlanePoint = readonly [x: number, y: number];

export function translation(x: number, y: number): Affine {
  return { xx: 1, xy: 0, x0: x, yx: 0, yy: 1, y0: y };
}

export function scaling(factor: number): Affine {
  return { xx: factor, xy: 0, x0: 0, yx: 0, yy: factor, y0: 0 };
}

/** `inner` first, then `outer`. */
export function composeAffine(outer: Affine, inner: Affine): Affine {
  return {
    xx: outer.xx * inner.xx + outer.xy * inner.yx,
    xy: outer.xx * inner.xy + outer.xy * inner.yy,
    x0: outer.xx * inner.x0 + outer.xy * inner.y0 + outer.x0,
    yx: outer.yx * inner.xx + outer.yy * inner.yx,
    yy: outer.yx * inner.xy + outer.yy * inner.yy,
    y0: outer.yx * inner.x0 + outer.yy * inner.y0 + outer.y0,
  };
}

/** The area that one unit of area becomes; negative for maps that mirror. */
export function determinant(map: Affine): number {
  return map.xx * map.yy - map.xy * map.yx;
}

/** The map back. RangeError for one that has none. */
export function invertAffine(map: Affine): Affine {
  const scale = determinant(map);
  if (!Number.isFinite(1 / scale)) throw new RangeError('the affine map is singular');
  const xx = map.yy / scale;
  const xy = -map.xy / scale;
  const yx = -map.yx / scale;
  const yy = map.xx / scale;
  return { xx, xy, x0: -(xx * map.x0 + xy * map.y0), yx, yy, y0: -(yx * map.x0 + yy * map.y0) };
}

export function applyAffine(map: Affine, [x, y]: PlanePoint): [x: number, y: number] {
  return [map.xx * x + map.xy * y + map.x0, map.yx * x + map.yy * y + map.y0];
}

/**
 * The similarity (rotation, uniform scale, shift; never a mirror) that brings `points` nearest to `template` by
 * least squares: Umeyama 1991, whose solution in the plane is the regression of complex numbers w = a z + b with
 * a = sum(conj(z) w) / sum(|z|^2) over centred points. RangeError for fewer than two distinct points.
 */
export function fitSimilarity(points: readonly PlanePoint[], template: readonly PlanePoint[]): Affine {
  if (points.length !== template.length) {
    throw new RangeError(`${points.length} points cannot fit a template of ${template.length}`);
  }
  const from = centroid(points);
  const to = centroid(template);
  let [real, imaginary, spread] = [0, 0, 0];
  for (const [i, point] of points.entries()) {
    const [zx, zy] = [point[0] - from[0], point[1] - from[1]];
    const [wx, wy] = [template[i]![0] - to[0], template[i]![1] - to[1]];
    real += zx * wx + zy * wy;
    imaginary += zx * wy - zy * wx;
    spread += zx * zx + zy * zy;
  }
  const [c, s] = [real / spread, imaginary / spread];
  if (!Number.isFinite(c) || !Number.isFinite(s))
    throw new RangeError('a similarity needs two distinct points');
  return {
    xx: c,
    xy: -s,
    x0: to[0] - (c * from[0] - s * from[1]),
    yx: s,
    yy: c,
    y0: to[1] - (s * from[0] + c * from[1]),
  };
}

function centroid(points: readonly PlanePoint[]): PlanePoint {
  let [x, y] = [0, 0];
  for (const point of points) {
    x += point[0];
    y += point[1];
  }
  return [x / points.length, y / points.length];
}
