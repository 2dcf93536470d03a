/**
 * Frames without a usable face. A short gap is filled: between two measurements along straight lines, before the
 * first and after the last by holding still. A longer one ends the track with a Fault that says when and why.
 */
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import { type FaceLimits, faceLost, faceUnusable, noFaceFound } from './faults.ts';
import { type FaceMiss, type FaceObservation, isMiss } from './observation.ts';

export interface GapConfig {
  /** Longest run of frames without a face that is filled. 0 means that every frame must show one. */
  readonly maxGapFrames: number;
}

export interface GapFiller {
  /** Takes the next frame; gives back all that are settled by it, in order. */
  push(result: FaceObservation | FaceMiss): readonly FaceObservation[];
  /** The source has ended. */
  finish(): readonly FaceObservation[];
}

/**
 * Holds at most maxGapFrames frames.
 *
 * @throws Fault from push: FACE_LOST, FACE_TOO_SMALL or FACE_IN_PROFILE as soon as a gap is longer than
 * maxGapFrames; before the first face NO_FACE_FOUND, FACE_TOO_SMALL, FACE_IN_PROFILE or FACE_OUT_OF_FRAME, from
 * finish also when the whole source had none.
 */
export function createGapFiller(
  config: GapConfig,
  clock: FrameRate,
  limits: FaceLimits,
  still = false,
): GapFiller {
  let last: FaceObservation | undefined;
  let missing: FaceMiss[] = [];

  function refuse(): never {
    const why = commonest(missing);
    if (last !== undefined) throw faceLost(why, missing[0]!.frameIndex, config.maxGapFrames, clock, limits);
    if (why === 'absent') throw noFaceFound(still, missing.length, clock);
    throw faceUnusable(why, missing.find(({ miss }) => miss === why)!.frameIndex, clock, limits);
  }

  return {
    push(result) {
      if (isMiss(result)) {
        missing.push(result);
        if (missing.length > config.maxGapFrames) refuse();
        return [];
      }
      const from = last ?? result;
      const filled = missing.map(({ frameIndex }) => interpolate(from, result, frameIndex));
      missing = [];
      last = result;
      return [...filled, result];
    },
    finish() {
      if (missing.length > 0 && last === undefined) refuse();
      const held = missing.map(({ frameIndex }) => interpolate(last!, last!, frameIndex));
      missing = [];
      return held;
    },
  };
}

function interpolate(from: FaceObservation, to: FaceObservation, frameIndex: number): FaceObservation {
  const span = to.frameIndex - from.frameIndex;
  const share = span > 0 ? (frameIndex - from.frameIndex) / span : 0;
  const points = from.points.map((value, i) => value + share * (to.points[i]! - value));
  return { frameIndex, points, confidence: 0, interpolated: true };
}

function commonest(missing: readonly FaceMiss[]): FaceMiss['miss'] {
  const counts = new Map<FaceMiss['miss'], number>();
  for (const { miss } of missing) counts.set(miss, (counts.get(miss) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
