/** Speech, as it comes, cut into what audio_features reads for each video frame. */
import type { AudioRecipe } from '#lib/inference/manifest.ts';
import type { FrameClock } from './frame-clock.ts';
import { createLogMel } from './log-mel.ts';
import { createRunningMean } from './normalise.ts';
import { createVoiceActivity, type VoiceActivityConfig } from './voice-activity.ts';

/** The speech around the middle of one video frame. */
export interface SpeechFrame {
  /** Normalised log-mel frames, [contextFrames, bands] row-major. */
  readonly mel: Float32Array;
  /** Whether somebody speaks, 0 to 1: the most of any moment from `ACTIVE_BEFORE_S` before to `ACTIVE_AFTER_S` after. */
  readonly voiceActivity: number;
}

export interface SpeechFrames {
  /** The video frames that the samples so far complete, in order. */
  push(samples: Float32Array): SpeechFrame[];
  /** The video frames that remain, as if silence followed. */
  flush(): SpeechFrame[];
  /** Samples so far. */
  readonly sampleCount: number;
}

/** Mouths close after the sound ends, and open before it begins. */
const ACTIVE_BEFORE_S = 0.12;
const ACTIVE_AFTER_S = 0.08;

/**
 * The windows of bundles/README.md ("Audio recipe", 4). Pieces of any size give the same frames, bit for bit; memory is a second
 * of log-mel frames.
 */
export function createSpeechFrames(
  recipe: AudioRecipe,
  clock: FrameClock,
  activity: VoiceActivityConfig,
): SpeechFrames {
  const { contextFrames, bands, hopSize, sampleRateHz, logFloor } = recipe;
  const half = contextFrames / 2;
  const melRateHz = sampleRateHz / hopSize;
  const activeBefore = Math.round(ACTIVE_BEFORE_S * melRateHz);
  const activeAfter = Math.min(Math.round(ACTIVE_AFTER_S * melRateHz), half - 1);
  const logMel = createLogMel(recipe);
  const mean = createRunningMean(recipe.normalisation, logFloor);
  const speechIn = createVoiceActivity(activity, bands, melRateHz);
  // Log-mel frames from `first` on.
  const rows: Float32Array[] = [];
  const speech: number[] = [];
  let first = 0;
  let next = 0;
  let sampleCount = 0;

  const take = (frames: readonly Float64Array[]) => {
    for (const frame of frames) {
      speech.push(speechIn(frame));
      rows.push(mean.next(frame));
    }
  };
  const frameAround = (centre: number): SpeechFrame => {
    const mel = new Float32Array(contextFrames * bands);
    for (let k = 0; k < contextFrames; k++) {
      const row = centre - half + k;
      mel.set(row < 0 ? mean.beforeStart : rows[row - first]!, k * bands);
    }
    let voiceActivity = 0;
    for (let row = Math.max(0, centre - activeBefore); row <= centre + activeAfter; row++) {
      voiceActivity = Math.max(voiceActivity, speech[row - first]!);
    }
    return { mel, voiceActivity };
  };
  const framesUpTo = (end: number): SpeechFrame[] => {
    const frames: SpeechFrame[] = [];
    for (; next < end && clock.centre(next) + half <= first + rows.length; next++) {
      frames.push(frameAround(clock.centre(next)));
    }
    const keepFrom = Math.max(0, clock.centre(next) - Math.max(half, activeBefore));
    if (keepFrom > first) {
      rows.splice(0, keepFrom - first);
      speech.splice(0, keepFrom - first);
      first = keepFrom;
    }
    return frames;
  };
  return {
    push: (samples) => {
      sampleCount += samples.length;
      take(logMel.push(samples));
      return framesUpTo(clock.frameCount(sampleCount));
    },
    flush: () => {
      const end = clock.frameCount(sampleCount);
      if (end > next) take(logMel.flush(clock.centre(end - 1) + half));
      return framesUpTo(end);
    },
    get sampleCount() {
      return sampleCount;
    },
  };
}
