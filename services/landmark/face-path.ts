/** Where a face that is followed will be read next. */
import type { PixelPoint } from '#lib/media/polygon.ts';
import { boundsOf, boxCentre, longerSide, rigidCentre, type Square } from './geometry.ts';
import type { LandmarkPoints } from './topology.ts';

/** Share of one frame in the slow averages. */
const FOLLOW_RATE = 0.1;
/** Share of the last move that is expected again: one that goes on is met half way, one that stops is hardly overshot. */
const LEAD = 0.5;

export interface FacePath {
  readonly rigid: PixelPoint;
  /** Middle of the face's box as seen from the rigid centre, averaged slowly. */
  readonly offset: PixelPoint;
  /** Where the next frame is read. */
  readonly square: Square;
}

/**
 * The path, one frame on. The square goes with the rigid points, which follow the head at once; its size and its
 * place relative to them are averaged slowly. So a mouth that opens does not move the square, and what the graph
 * makes of the eyes does not depend on it by way of the crop.
 *
 * @param before undefined where the face was read afresh
 */
export function extendPath(
  points: LandmarkPoints,
  squareScale: number,
  before: FacePath | undefined,
): FacePath {
  const bounds = boundsOf(points);
  const middle = boxCentre(bounds);
  const rigid = rigidCentre(points);
  const now = { x: middle.x - rigid.x, y: middle.y - rigid.y };
  const sidePx = longerSide(bounds) * squareScale;
  if (before === undefined) {
    return { rigid, offset: now, square: { centreX: middle.x, centreY: middle.y, sidePx } };
  }
  const average = (old: number, value: number): number => old + FOLLOW_RATE * (value - old);
  const offset = { x: average(before.offset.x, now.x), y: average(before.offset.y, now.y) };
  const square = {
    centreX: rigid.x + offset.x + LEAD * (rigid.x - before.rigid.x),
    centreY: rigid.y + offset.y + LEAD * (rigid.y - before.rigid.y),
    sidePx: average(before.square.sidePx, sidePx),
  };
  return { rigid, offset, square };
}
