/** Landmarks as a pose of the head in the picture, and the shape of the face within that pose. */
import { type LandmarkPoints, RIGID } from './topology.ts';

/** A similarity: source = [[a, -b], [b, a]] face + (x, y). Face coordinates are in outer eye distances. */
export interface HeadPose {
  readonly a: number;
  readonly b: number;
  readonly x: number;
  readonly y: number;
}

export interface PosedFace {
  readonly pose: HeadPose;
  /** The 68 points in face coordinates, x and y in turn. */
  readonly shape: Float64Array;
}

/**
 * The rigid points of the ICT-FaceKit mean head seen from the front, centred, in outer eye distances, in the order
 * of RIGID. Only a yardstick for the pose; how well it fits a person cancels out.
 */
const RIGID_SHAPE = centred([
  [0.5, 0],
  [0.5, 0.126],
  [0.5, 0.245],
  [0.5, 0.388],
  [0, 0.045],
  [0.292, 0.062],
  [0.708, 0.062],
  [1, 0.045],
]);

export function poseFace(points: LandmarkPoints): PosedFace {
  const pose = fitPose(points);
  const { a, b, x, y } = pose;
  const scale = a * a + b * b;
  const shape = new Float64Array(points.length);
  for (let i = 0; i < shape.length; i += 2) {
    const [dx, dy] = [points[i]! - x, points[i + 1]! - y];
    shape[i] = (a * dx + b * dy) / scale;
    shape[i + 1] = (a * dy - b * dx) / scale;
  }
  return { pose, shape };
}

/** Least squares of the rigid shape onto the rigid points (Umeyama 1991, in the plane). */
function fitPose(points: LandmarkPoints): HeadPose {
  let [x, y] = [0, 0];
  for (const index of RIGID) {
    x += points[2 * index]! / RIGID.length;
    y += points[2 * index + 1]! / RIGID.length;
  }
  let [a, b, norm] = [0, 0, 0];
  for (const [i, index] of RIGID.entries()) {
    const [u, v] = RIGID_SHAPE[i]!;
    const [dx, dy] = [points[2 * index]! - x, points[2 * index + 1]! - y];
    a += u * dx + v * dy;
    b += u * dy - v * dx;
    norm += u * u + v * v;
  }
  return { a: a / norm, b: b / norm, x, y };
}

function centred(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const x = points.reduce((sum, point) => sum + point[0], 0) / points.length;
  const y = points.reduce((sum, point) => sum + point[1], 0) / points.length;
  return points.map((point) => [point[0] - x, point[1] - y] as const);
}
