/** The faults that a face can cause. Times and sizes only: faces are personal data. */
import { Fault } from '#lib/fault/fault.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import type { MissReason } from './observation.ts';

/** Seconds at which a frame is shown, for messages. */
export function frameSeconds(frameIndex: number, clock: FrameRate): string {
  return ((frameIndex * clock.denominator) / clock.numerator).toFixed(2);
}

export interface FaceLimits {
  /** Smallest distance of the outer eye corners, source pixels. */
  readonly minEyeDistancePx: number;
  /** Largest turn of the head to a side, degrees. */
  readonly maxTurnDegrees: number;
  /** Largest share of the 68 points outside the picture, 0 to 1. */
  readonly maxOutsideShare: number;
}

const FIELD = 'source';

function sourceFault(reason: string, description: string, metadata: Readonly<Record<string, string>>): Fault {
  const violations = [{ field: FIELD, description }];
  return new Fault('invalid', reason, `${FIELD}: ${description}`, { violations, metadata });
}

/** Nothing that looks like a face where the source begins. */
export function noFaceFound(still: boolean, searchedFrames: number, clock: FrameRate): Fault {
  const where = still
    ? 'in the photograph'
    : `in the first ${searchedFrames} frames (0.00 s to ${frameSeconds(searchedFrames, clock)} s)`;
  const remedy = still ? 'send a picture' : 'cut the video so that it starts';
  return sourceFault(
    'NO_FACE_FOUND',
    `no face was found ${where}; ${remedy} with a face that looks towards the camera`,
    { frameIndex: '0' },
  );
}

/** Faces, but none of them where the caller pointed. */
export function faceChoiceEmpty(faceCount: number, frameIndex: number, clock: FrameRate): Fault {
  const field = 'faceChoice.point';
  const faces = faceCount === 1 ? 'the 1 face' : `none of the ${faceCount} faces`;
  const verb = faceCount === 1 ? 'does not hold' : 'holds';
  const description = `${faces} at ${frameSeconds(frameIndex, clock)} s ${verb} this point; give a point inside a face in source pixels, or choose the largest`;
  return new Fault('invalid', 'FACE_CHOICE_EMPTY', `${field}: ${description}`, {
    violations: [{ field, description }],
    metadata: { faceCount: String(faceCount), frameIndex: String(frameIndex) },
  });
}

/** The chosen face cannot be used from its first frame on. */
export function faceUnusable(
  miss: Exclude<MissReason, 'absent'>,
  frameIndex: number,
  clock: FrameRate,
  limits: FaceLimits,
): Fault {
  const at = `at ${frameSeconds(frameIndex, clock)} s`;
  const metadata = { frameIndex: String(frameIndex) };
  if (miss === 'too-small') {
    return sourceFault(
      'FACE_TOO_SMALL',
      `the face ${at} is too small: its outer eye corners are less than ${limits.minEyeDistancePx} pixels apart; use a source in which the face is larger`,
      { ...metadata, minEyeDistancePx: String(limits.minEyeDistancePx) },
    );
  }
  if (miss === 'in-profile') {
    return sourceFault(
      'FACE_IN_PROFILE',
      `the face ${at} is turned more than ${limits.maxTurnDegrees} degrees to the side; use a source in which it looks towards the camera`,
      { ...metadata, maxTurnDegrees: String(limits.maxTurnDegrees) },
    );
  }
  return sourceFault(
    'FACE_OUT_OF_FRAME',
    `the face ${at} is cut off by the border: more than ${Math.round(100 * limits.maxOutsideShare)} % of its landmarks lie outside the picture; use a source that shows the whole face`,
    { ...metadata, maxOutsideShare: String(limits.maxOutsideShare) },
  );
}

/** The face was followed and then could not be used for longer than can be interpolated. */
export function faceLost(
  miss: MissReason,
  firstMissing: number,
  maxGapFrames: number,
  clock: FrameRate,
  limits: FaceLimits,
): Fault {
  const from = frameSeconds(firstMissing, clock);
  if (miss === 'too-small' || miss === 'in-profile') return faceUnusable(miss, firstMissing, clock, limits);
  const why = miss === 'absent' ? 'is not seen' : 'is cut off by the border';
  return sourceFault(
    'FACE_LOST',
    `the face ${why} from ${from} s on for more than ${maxGapFrames} frames, the longest gap that is interpolated; cut the video before ${from} s, or use one in which the face stays in view`,
    { frameIndex: String(firstMissing), seconds: from, maxGapFrames: String(maxGapFrames) },
  );
}
