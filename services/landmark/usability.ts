import type { FaceLimits } from './faults.ts';
import { eyeDistance, outsideShare, turnDegrees } from './geometry.ts';
import type { MissReason } from './observation.ts';
import type { LandmarkPoints } from './topology.ts';

/** Why a face that was found cannot be rendered, or undefined when it can. Everything in source pixels. */
export function unusableBecause(
  points: LandmarkPoints,
  source: { readonly width: number; readonly height: number },
  limits: FaceLimits,
): Exclude<MissReason, 'absent'> | undefined {
  if (outsideShare(points, source.width, source.height) > limits.maxOutsideShare) return 'out-of-frame';
  // A turned head has its eyes closer together in the picture, so the turn is judged first.
  if (turnDegrees(points) > limits.maxTurnDegrees) return 'in-profile';
  if (eyeDistance(points) < limits.minEyeDistancePx) return 'too-small';
  return undefined;
}
