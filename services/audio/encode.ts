/** From samples to feature windows: the path of one voice. */
import type { AudioRecipe } from '#lib/inference/manifest.ts';
import type { FeatureGraph } from './feature-graph.ts';
import { createFeatureWindows, type IndexedWindow } from './feature-windows.ts';
import type { SpeechFrame, SpeechFrames } from './speech-frames.ts';

export interface VoiceWindow extends IndexedWindow {
  /** Whether somebody speaks in this frame, 0 to 1. */
  readonly voiceActivity: number;
}

/**
 * One window for each video frame of the voice, in order, each as soon as its speech is there. Pieces of any size
 * give the same windows, bit for bit.
 */
export async function* encodeVoice(
  pieces: AsyncIterable<Float32Array>,
  speech: SpeechFrames,
  audio: AudioRecipe,
  graph: FeatureGraph,
  signal: AbortSignal,
): AsyncGenerator<VoiceWindow> {
  const windows = createFeatureWindows(audio.window.left, audio.window.right, audio.features);
  // Of the frames whose windows wait for their right context.
  const activities: number[] = [];
  const withActivity = (window: IndexedWindow): VoiceWindow => ({
    ...window,
    voiceActivity: activities.shift()!,
  });

  async function* follow(frames: readonly SpeechFrame[]): AsyncGenerator<VoiceWindow> {
    const features = await graph.featuresOf(frames, signal);
    for (const [i, frame] of frames.entries()) {
      activities.push(frame.voiceActivity);
      yield* windows.push(features[i]!).map(withActivity);
    }
  }

  for await (const samples of pieces) yield* follow(speech.push(samples));
  yield* follow(speech.flush());
  yield* windows.flush().map(withActivity);
}
