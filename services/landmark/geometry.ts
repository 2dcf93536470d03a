/** Measures of boxes and landmark sets. Everything is in pixels of one picture. */
import type { PixelPoint } from '#lib/media/polygon.ts';
import {
  type LandmarkPoints,
  LEFT_EYE_OUTER_CORNER,
  NOSE_TIP,
  RIGHT_EYE_OUTER_CORNER,
  RIGID,
} from './topology.ts';

/** An upright rectangle; a face box is the bounds of the 68 points, brows to chin and jaw to jaw. */
export interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** An upright square, as the landmark graph reads it. */
export interface Square {
  readonly centreX: number;
  readonly centreY: number;
  readonly sidePx: number;
}

export const boxWidth = (box: Box): number => box.x1 - box.x0;
export const boxHeight = (box: Box): number => box.y1 - box.y0;
export const boxArea = (box: Box): number => Math.max(0, boxWidth(box)) * Math.max(0, boxHeight(box));
export const longerSide = (box: Box): number => Math.max(boxWidth(box), boxHeight(box));

export function boxCentre(box: Box): PixelPoint {
  return { x: (box.x0 + box.x1) / 2, y: (box.y0 + box.y1) / 2 };
}

export function boxHolds(box: Box, point: PixelPoint): boolean {
  return point.x >= box.x0 && point.x <= box.x1 && point.y >= box.y0 && point.y <= box.y1;
}

/** What two boxes share; without area when they share nothing. */
export function intersection(a: Box, b: Box): Box {
  return {
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  };
}

/** Intersection over union, 0 to 1. */
export function overlap(a: Box, b: Box): number {
  const shared = boxArea(intersection(a, b));
  const union = boxArea(a) + boxArea(b) - shared;
  return union > 0 ? shared / union : 0;
}

/** The bounds of the landmarks. */
export function boundsOf(points: LandmarkPoints): Box {
  let [x0, y0] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let [x1, y1] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < points.length; i += 2) {
    x0 = Math.min(x0, points[i]!);
    x1 = Math.max(x1, points[i]!);
    y0 = Math.min(y0, points[i + 1]!);
    y1 = Math.max(y1, points[i + 1]!);
  }
  return { x0, y0, x1, y1 };
}

/** The square of `scale` times the box's longer side around its centre. */
export function squareAround(box: Box, scale: number): Square {
  const { x, y } = boxCentre(box);
  return { centreX: x, centreY: y, sidePx: longerSide(box) * scale };
}

/** The box, `scale` times as large around its centre. */
export function scaleAboutCentre(box: Box, scale: number): Box {
  const { x, y } = boxCentre(box);
  const [halfWidth, halfHeight] = [(boxWidth(box) * scale) / 2, (boxHeight(box) * scale) / 2];
  return { x0: x - halfWidth, y0: y - halfHeight, x1: x + halfWidth, y1: y + halfHeight };
}

/** The mean of the rigid points: a place in the head that neither speech nor expression moves. */
export function rigidCentre(points: LandmarkPoints): PixelPoint {
  let [x, y] = [0, 0];
  for (const index of RIGID) {
    x += points[2 * index]!;
    y += points[2 * index + 1]!;
  }
  return { x: x / RIGID.length, y: y / RIGID.length };
}

/** Distance of the outer eye corners, the usual yardstick of landmark errors (iBUG 300-W). */
export function eyeDistance(points: LandmarkPoints): number {
  const [right, left] = [2 * RIGHT_EYE_OUTER_CORNER, 2 * LEFT_EYE_OUTER_CORNER];
  return Math.hypot(points[left]! - points[right]!, points[left + 1]! - points[right + 1]!);
}

/**
 * How far the head is turned to a side, in degrees, 0 when it faces the camera, always positive. The tip of the
 * nose stands as far in front of the outer eye corners as half their distance (1.00 of it on the mean head of
 * ICT-FaceKit), so in an orthographic view its offset from their middle over half their apparent distance is
 * the tangent of the angle.
 */
export function turnDegrees(points: LandmarkPoints): number {
  const [right, left, tip] = [2 * RIGHT_EYE_OUTER_CORNER, 2 * LEFT_EYE_OUTER_CORNER, 2 * NOSE_TIP];
  const axisX = points[left]! - points[right]!;
  const axisY = points[left + 1]! - points[right + 1]!;
  const lengthSquared = axisX * axisX + axisY * axisY;
  if (lengthSquared === 0) return 90;
  const fromMiddleX = points[tip]! - (points[left]! + points[right]!) / 2;
  const fromMiddleY = points[tip + 1]! - (points[left + 1]! + points[right + 1]!) / 2;
  const tangent = (2 * (fromMiddleX * axisX + fromMiddleY * axisY)) / lengthSquared;
  return (Math.atan(Math.abs(tangent)) * 180) / Math.PI;
}

/** The share of the 68 points that lie outside a picture, 0 to 1. */
export function outsideShare(points: LandmarkPoints, widthPx: number, heightPx: number): number {
  let outside = 0;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i]!, points[i + 1]!];
    if (x < 0 || y < 0 || x > widthPx || y > heightPx) outside++;
  }
  return (2 * outside) / points.length;
}
