/** What is known of the followed face in one frame. */
import type { LandmarkPoints } from './topology.ts';

/** The face as measured, or as interpolated between measurements. */
export interface FaceObservation {
  readonly frameIndex: number;
  /** Source pixels. */
  readonly points: LandmarkPoints;
  /** 0 to 1; 0 when interpolated. */
  readonly confidence: number;
  readonly interpolated: boolean;
}

/** Why a frame has no usable face. */
export type MissReason = 'absent' | 'too-small' | 'in-profile' | 'out-of-frame';

/** A frame in which the followed face cannot be used. */
export interface FaceMiss {
  readonly frameIndex: number;
  readonly miss: MissReason;
}

export const isMiss = (result: FaceObservation | FaceMiss): result is FaceMiss => 'miss' in result;
