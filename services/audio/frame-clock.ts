import type { AudioRecipe } from '#lib/inference/manifest.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';

/** Where video frames lie in a voice, in whole numbers. */
export interface FrameClock {
  /** The log-mel frame nearest to the middle of a video frame, (i + 0.5) / fps seconds; halves round up. */
  centre(videoFrame: number): number;
  /** Video frames that begin before the end of a voice of so many samples. */
  frameCount(sampleCount: number): number;
  /** Samples needed beyond the end of a video frame before its feature window can be made, at most. */
  readonly lookAheadSamples: number;
}

export function createFrameClock(recipe: AudioRecipe, { numerator, denominator }: FrameRate): FrameClock {
  const { sampleRateHz, hopSize, windowSize, contextFrames, window } = recipe;
  const centre = (videoFrame: number) =>
    Math.floor(
      ((2 * videoFrame + 1) * denominator * sampleRateHz + numerator * hopSize) / (2 * numerator * hopSize),
    );
  const samplesInFrame = (sampleRateHz * denominator) / numerator;
  // A centre lies at most half a hop after the middle of its frame.
  const lastCentre = (window.right + 0.5) * samplesInFrame + hopSize / 2;
  const context = (contextFrames / 2 - 1) * hopSize + windowSize / 2;
  return {
    centre,
    frameCount: (sampleCount) => Math.ceil((sampleCount * numerator) / (sampleRateHz * denominator)),
    lookAheadSamples: Math.ceil(lastCentre + context - samplesInFrame),
  };
}
