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
 * What deviation counts as noise is measured on the way, on the points that cannot move within the face. A steady
 * detector is hardly smoothed, so that real motion of half a pixel is kept; a nervous one as much as it needs.
 *
 * The head's pose and the shape of the face within it are smoothed apart, the pose by what all rigid points say
 * together, each other point by its own path only. So no visible landmark learns anything of the mouth from this.
 */
import { type HeadPose, type PosedFace, poseFace } from './head-pose.ts';
import { createNoiseMeter } from './landmark-noise.ts';
import type { FaceObservation } from './observation.ts';

export interface SmoothingConfig {
  /** Pairs of frames around each, and so the delay in frames. 0 switches smoothing off. */
  readonly lookAheadFrames: number;
  /** Deviation of the head's pose from uniform motion at which a pair counts 0.61, in deviations of a point's noise. */
  readonly poseTolerance: number;
  /** The same for one point within the face. */
  readonly pointTolerance: number;
}

export const DEFAULT_SMOOTHING: SmoothingConfig = {
  lookAheadFrames: 4,
  poseTolerance: 1.5,
  pointTolerance: 3.5,
};

export interface LandmarkSmoother {
  /** Takes the next frame; gives back those that have their whole look-ahead now, at most one. */
  push(observation: FaceObservation): readonly FaceObservation[];
  /** Gives back the rest. Frames near either end use the pairs that exist. */
  finish(): readonly FaceObservation[];
}

/** How far a turn of the pose by one radian moves the outline of the face, in outer eye distances. */
const FACE_RADIUS = 0.8;
/** Noise that is always allowed for, in outer eye distances: a hundredth of a pixel in a face of 512. */
const MIN_NOISE = 1e-4;

interface HeldFrame extends PosedFace {
  readonly observation: FaceObservation;
}

export function createLandmarkSmoother(config: SmoothingConfig): LandmarkSmoother {
  const reach = config.lookAheadFrames;
  if (!Number.isInteger(reach) || reach < 0) {
    throw new RangeError(`lookAheadFrames is ${reach}; it must be 0 or more`);
  }
  const kernel = Float64Array.from({ length: reach + 1 }, (_, k) =>
    Math.exp(-2 * (k / Math.max(1, reach)) ** 2),
  );
  const noise = createNoiseMeter();
  const held: HeldFrame[] = [];
  let next = 0;

  function emit(): FaceObservation {
    const pairs = Math.min(reach, next, held.length - 1 - next);
    const allowed = Math.max(MIN_NOISE, noise.deviation());
    const smoothed = smoothFrame(held, next, pairs, kernel, {
      pose: config.poseTolerance * allowed,
      point: config.pointTolerance * allowed,
    });
    if (next === reach) held.shift();
    else next++;
    return smoothed;
  }

  return {
    push(observation) {
      held.push({ observation, ...poseFace(observation.points) });
      const latest = held.slice(-3);
      const [a, b, c] = latest;
      // Interpolated frames move uniformly; they would pass for a detector without noise.
      if (c !== undefined && latest.every((frame) => !frame.observation.interpolated)) {
        noise.add(a!.shape, b!.shape, c.shape);
      }
      return held.length - 1 - next >= reach ? [emit()] : [];
    },
    finish() {
      const rest: FaceObservation[] = [];
      while (next < held.length) rest.push(emit());
      return rest;
    },
  };
}

function smoothFrame(
  held: readonly HeldFrame[],
  at: number,
  pairs: number,
  kernel: Float64Array,
  tolerance: { readonly pose: number; readonly point: number },
): FaceObservation {
  const { observation, pose, shape } = held[at]!;
  if (pairs === 0) return observation;
  const before = (k: number): HeldFrame => held[at - k]!;
  const after = (k: number): HeldFrame => held[at + k]!;

  const eyes = Math.hypot(pose.a, pose.b);
  const sum = { a: pose.a, b: pose.b, x: pose.x, y: pose.y };
  let poseWeight = 1;
  for (let k = 1; k <= pairs; k++) {
    const middle = middlePose(before(k).pose, after(k).pose);
    const shift = Math.hypot(middle.x - pose.x, middle.y - pose.y);
    const turn = Math.hypot(middle.a - pose.a, middle.b - pose.b) * FACE_RADIUS;
    const weight = kernel[k]! * closeness(Math.hypot(shift, turn) / eyes, tolerance.pose);
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
      const weight = kernel[k]! * closeness(deviation, tolerance.point);
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

function middlePose(p: HeadPose, q: HeadPose): HeadPose {
  return { a: (p.a + q.a) / 2, b: (p.b + q.b) / 2, x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 };
}
