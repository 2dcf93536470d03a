import type { FfmpegTools } from '#lib/media/media-input.ts';
import type { MediaLimits } from '#lib/media/probe.ts';
import { DEFAULT_VOICE_ACTIVITY, type VoiceActivityConfig } from './voice-activity.ts';

/** Every limit and default of the service. */
export interface AudioConfig {
  /** Frames that share one run of audio_features at most. Speech that is there runs at once; none waits for more. */
  readonly maxBatch: number;
  /** Bytes of a container that comes in chunks. */
  readonly maxContainerBytes: number;
  readonly voiceActivity: VoiceActivityConfig;
  readonly media: Partial<MediaLimits>;
  /** Where a container that comes in chunks is kept meanwhile. Not set: the system's folder. */
  readonly tempFolder?: string | undefined;
  /** The ffmpeg to use. Not set: those on PATH. */
  readonly tools?: FfmpegTools | undefined;
}

export const DEFAULT_AUDIO_CONFIG: AudioConfig = {
  maxBatch: 32,
  maxContainerBytes: 2 ** 30,
  voiceActivity: DEFAULT_VOICE_ACTIVITY,
  media: {},
};
