/**
 * Temporal smoothing of landmarks that neither lags nor smears.
 *
 * A head at rest must give a face crop at rest: landmark noise of a pixel makes the pasted mouth swim. A causal
 * filter would trade that noise for delay, so this one is centred: frame i is averaged with the pairs of frames
 * (i - k, i + k) up to a look-ahead. The middle of a pair equals the frame whenever the motion is uniform, so
 * steady motion passes unchanged whatever the weights. Where the motion is not uniform (a nod turns, lips close)
 * the middle of the pair leaves the frame's own value, and the pair's weight falls with that deviation, as in a
 * bilateral filter (Tomasi and Manduchi 1998) with differences taken along the motion instead of to the value.
 *
 * The head's pose (a similarity fitted to the rigid points) and the shape of the face within it are smoothed
 * apart, the pose by what all rigid points say together, each other point by its own path only. So no visible
 * landmark learns anything of the mouth from its smoothing.
 */
import type { FaceObservation } from './observation.ts';
import { type LandmarkPoints, RIGID } from './topology.ts';

export interface SmoothingConfig {
  /** Pairs of frames around each, and so the delay in frames. 0 switches smoothing off. */
  readonly lookAheadFrames: number;
  /** Deviation of the head's pose from uniform motion at which a pair counts 0.61, in outer eye distances. */
  readonly poseTolerance: number;
  /** The same for one point within the face. */
  readonly pointTolerance: number;
}

export const DEFAULT_SMOOTHING: SmoothingConfig = {
  lookAheadFrames: 4,
  poseTolerance: 0.008,
  pointTolerance: 0.015,
};

export interface LandmarkSmoother {
  /** Takes the next frame; gives back those that have their whole look-ahead now, at most one. */
  push(observation: FaceObservation): readonly FaceObservation[];
  /** Gives back the rest. Frames near either end use the pairs that exist. */
  finish(): readonly FaceObservation[];
}

/**
 * The rigid points of the ICT-FaceKit mean head seen from the front, centred, in outer eye distances: eye corners
 * and nose bridge in the order of RIGID. Only a yardstick for the pose; its exact shape cancels out.
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

/** How far a turn of the pose by one radian moves the outline of the face, in outer eye distances. */
const FACE_RADIUS = 0.8;

/** A similarity: source = [[a, -b], [b, a]] face + (x, y), with face coordinates in outer eye distances. */
interface Pose {
  readonly a: number;
  readonly b: number;
  readonly x: number;
  readonly y: number;
}

interface Decomposed {
  readonly observation: FaceObservation;
  readonly pose: Pose;
  /** The 68 points in face coordinates. */
  readonly shape: Float64Array;
}

export function createLandmarkSmoother(config: SmoothingConfig): LandmarkSmoother {
  const reach = config.lookAheadFrames;
  if (!Number.isInteger(reach) || reach < 0)
    throw new RangeError(`lookAheadFrames is ${reach}; it must be 0 or more`);
  const kernel = Float64Array.from({ length: reach + 1 }, (_, k) =>
    Math.exp(-2 * (k / Math.max(1, reach)) ** 2),
  );
  const held: Decomposed[] = [];
  let next = 0;

  function emit(): FaceObservation {
    const pairs = Math.min(reach, next, held.length - 1 - next);
    const smoothed = smoothFrame(held, next, pairs, kernel, config);
    if (next === reach) held.shift();
    else next++;
    return smoothed;
  }

  return {
    push(observation) {
      held.push(decompose(observation));
      return held.length - 1 - next >= reach ? [emit()] : [];
    },
    finish() {
      const rest: FaceObservation[] = [];
      while (next < held.length) rest.push(emit());
      held.length = 0;
      next = 0;
      return rest;
    },
  };
}

function smoothFrame(
  held: readonly Decomposed[],
  at: number,
  pairs: number,
  kernel: Float64Array,
  config: SmoothingConfig,
): FaceObservation {
  const { observation, pose, shape } = held[at]!;
  if (pairs === 0) return observation;
  const before = (k: number): Decomposed => held[at - k]!;
  const after = (k: number): Decomposed => held[at + k]!;

  const eyes = Math.hypot(pose.a, pose.b);
  const sum = { a: pose.a, b: pose.b, x: pose.x, y: pose.y };
  let poseWeight = 1;
  for (let k = 1; k <= pairs; k++) {
    const middle = middlePose(before(k).pose, after(k).pose);
    const shift = Math.hypot(middle.x - pose.x, middle.y - pose.y);
    const turn = Math.hypot(middle.a - pose.a, middle.b - pose.b) * FACE_RADIUS;
    const weight = kernel[k]! * closeness(Math.hypot(shift, turn) / eyes, config.poseTolerance);
    sum.a += weight * middle.a;
    sum.b += weight * middle.b;
    sum.x += weight * middle.x;
    sum.y += weight * middle.y;
    poseWeight += weight;
  }

  const points = new Float64Array(shape.length);
  const [a, b] = [sum.a / poseWeight, sum.b / poseWeight];
  const [x, y] = [sum.x / poseWeight, sum.y / poseWeight];
  for (let i = 0; i < shape.length; i += 2) {
    let [u, v, total] = [shape[i]!, shape[i + 1]!, 1];
    for (let k = 1; k <= pairs; k++) {
      const middleU = (before(k).shape[i]! + after(k).shape[i]!) / 2;
      const middleV = (before(k).shape[i + 1]! + after(k).shape[i + 1]!) / 2;
      const deviation = Math.hypot(middleU - shape[i]!, middleV - shape[i + 1]!);
      const weight = kernel[k]! * closeness(deviation, config.pointTolerance);
      u += weight * middleU;
      v += weight * middleV;
      total += weight;
    }
    points[i] = (a * u - b * v) / total + x;
    points[i + 1] = (b * u + a * v) / total + y;
  }
  return { ...observation, points };
}

const closeness = (deviation: number, tolerance: number): number =>
  Math.exp(-0.5 * (deviation / tolerance) ** 2);

function middlePose(p: Pose, q: Pose): Pose {
  return { a: (p.a + q.a) / 2, b: (p.b + q.b) / 2, x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 };
}

function decompose(observation: FaceObservation): Decomposed {
  const pose = fitPose(observation.points);
  const { a, b, x, y } = pose;
  const scale = a * a + b * b;
  const shape = new Float64Array(observation.points.length);
  for (let i = 0; i < shape.length; i += 2) {
    const [dx, dy] = [observation.points[i]! - x, observation.points[i + 1]! - y];
    shape[i] = (a * dx + b * dy) / scale;
    shape[i + 1] = (a * dy - b * dx) / scale;
  }
  return { observation, pose, shape };
}

/** Least squares of the rigid shape onto the rigid points (Umeyama 1991, in two dimensions). */
function fitPose(points: LandmarkPoints): Pose {
  let [x, y] = [0, 0];
  for (const index of RIGID) {
    x += points[2 * index]! / RIGID.length;
    y += points[2 * index + 1]! / RIGID.length;
  }
  let [a, b, norm] = [0, 0, 0];
  RIGID.forEach((index, i) => {
    const [u, v] = RIGID_SHAPE[i]!;
    const [dx, dy] = [points[2 * index]! - x, points[2 * index + 1]! - y];
    a += u * dx + v * dy;
    b += u * dy - v * dx;
    norm += u * u + v * v;
  });
  return { a: a / norm, b: b / norm, x, y };
}

function centred(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const x = points.reduce((sum, point) => sum + point[0], 0) / points.length;
  const y = points.reduce((sum, point) => sum + point[1], 0) / points.length;
  return points.map((point) => [point[0] - x, point[1] - y] as const);
}
