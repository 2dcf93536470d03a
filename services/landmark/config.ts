import type { FfmpegTools } from '#lib/media/media-input.ts';
import type { MediaLimits } from '#lib/media/probe.ts';
import { DEFAULT_DETECTOR, type DetectorConfig } from './detector.ts';
import type { FaceLimits } from './faults.ts';
import type { LandmarkReaderConfig } from './landmarks.ts';
import { DEFAULT_SMOOTHING, type SmoothingConfig } from './smoothing.ts';
import { DEFAULT_TRACKER, type TrackerConfig } from './tracker.ts';

/** Every limit and default of the service; see each part for its meaning. */
export interface LandmarkConfig {
  /** Longest edge of the pictures in which a face is first looked for, pixels. */
  readonly surveyEdgePx: number;
  /** Side that the landmark square is given by the decoder's scaling, in sides of the graph's input. */
  readonly squareOversampling: number;
  /** Longest edge of the pictures that are followed, pixels, however small the face. */
  readonly maxTrackEdgePx: number;
  /** Pictures decoded ahead of the tracker. */
  readonly readAheadFrames: number;
  /** Longest run of frames without a face that is interpolated. */
  readonly maxGapFrames: number;
  /** Smallest edge of a source, pixels. */
  readonly minEdgePx: number;
  /** Highest frame rate at which a source is read. */
  readonly maxFramesPerSecond: number;
  /** Largest picture that Detect takes, bytes. */
  readonly maxImageBytes: number;
  readonly face: FaceLimits;
  readonly detector: DetectorConfig;
  readonly reader: Omit<LandmarkReaderConfig, 'squareScale'>;
  readonly tracker: TrackerConfig;
  readonly smoothing: SmoothingConfig;
  readonly media: Partial<MediaLimits>;
  /** The ffmpeg to use. Not set: those on PATH. */
  readonly tools?: FfmpegTools | undefined;
}

export const DEFAULT_LANDMARK_CONFIG: LandmarkConfig = {
  surveyEdgePx: 960,
  squareOversampling: 1.5,
  maxTrackEdgePx: 1920,
  readAheadFrames: 4,
  maxGapFrames: 12,
  minEdgePx: 32,
  maxFramesPerSecond: 120,
  maxImageBytes: 20 * 2 ** 20,
  face: { minEyeDistancePx: 20, maxTurnDegrees: 55, maxOutsideShare: 0.25 },
  detector: DEFAULT_DETECTOR,
  reader: { averagedCrops: 2, cropShift: 0.02, cropStretch: 0.02, minConfidence: 0.95 },
  tracker: DEFAULT_TRACKER,
  smoothing: DEFAULT_SMOOTHING,
  media: {},
};
