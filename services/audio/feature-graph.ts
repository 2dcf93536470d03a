import type { Graph } from '#lib/inference/graph.ts';
import type { AudioRecipe } from '#lib/inference/manifest.ts';
import { float32Tensor, float32Values } from '#lib/tensor/tensor.ts';
import type { SpeechFrame } from './speech-frames.ts';

export interface FeatureGraph {
  /** The features of each frame, in runs of at most `maxBatch`. A frame's features do not depend on its company. */
  featuresOf(frames: readonly SpeechFrame[], signal: AbortSignal): Promise<Float32Array[]>;
  /** Time inside runs so far. */
  inferenceMs(): number;
}

/** The bundle's audio_features graph for one voice. */
export function createFeatureGraph(graph: Graph, recipe: AudioRecipe, maxBatch: number): FeatureGraph {
  const { contextFrames, bands, features: width } = recipe;
  const frameLength = contextFrames * bands;
  let inferenceMs = 0;

  async function run(frames: readonly SpeechFrame[], signal: AbortSignal): Promise<Float32Array[]> {
    const values = new Float32Array(frames.length * frameLength);
    for (const [row, { mel }] of frames.entries()) values.set(mel, row * frameLength);
    const mel = float32Tensor([frames.length, contextFrames, bands], values);
    const { outputs, elapsedMs } = await graph.run({ mel }, signal);
    inferenceMs += elapsedMs;
    const features = float32Values(outputs.features);
    return frames.map((_, row) => features.slice(row * width, (row + 1) * width));
  }

  return {
    async featuresOf(frames, signal) {
      const features: Float32Array[] = [];
      for (let first = 0; first < frames.length; first += maxBatch) {
        features.push(...(await run(frames.slice(first, first + maxBatch), signal)));
      }
      return features;
    },
    inferenceMs: () => inferenceMs,
  };
}
