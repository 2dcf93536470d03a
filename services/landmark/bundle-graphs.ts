/** The face graphs of a bundle, opened in the runtime. */
import type { Bundle } from '#lib/inference/bundle.ts';
import type { Graph, Tensors } from '#lib/inference/graph.ts';
import { DETECTOR_SIZE_PX, LANDMARK_SIZE_PX } from '#lib/inference/graph-signatures.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import { float32Tensor, float32Values } from '#lib/tensor/tensor.ts';
import type { DetectorGraph, LandmarkGraph } from './face-graphs.ts';

export interface BundleGraphs {
  readonly detector: DetectorGraph;
  readonly landmarks: LandmarkGraph;
  /** Time inside runs of these two since they were opened here. */
  inferenceMs(): number;
}

/** @throws Fault of `InferenceRuntime.open` */
export async function openBundleGraphs(runtime: InferenceRuntime, bundle: Bundle): Promise<BundleGraphs> {
  const [detector, landmarks] = await Promise.all([
    runtime.open(bundle, 'face_detector'),
    runtime.open(bundle, 'face_landmarks'),
  ]);
  let inferenceMs = 0;
  async function run(
    graph: Graph,
    size: number,
    images: Float32Array,
    count: number,
    signal: AbortSignal,
  ): Promise<Tensors> {
    const image = float32Tensor([count, 3, size, size], images);
    const { outputs, elapsedMs } = await graph.run({ image }, signal);
    inferenceMs += elapsedMs;
    return outputs;
  }
  return {
    detector: {
      inputPx: DETECTOR_SIZE_PX,
      async run(images, count, signal) {
        const outputs = await run(detector, DETECTOR_SIZE_PX, images, count, signal);
        return { boxes: float32Values(outputs.boxes!), scores: float32Values(outputs.scores!) };
      },
    },
    landmarks: {
      inputPx: LANDMARK_SIZE_PX,
      async run(images, count, signal) {
        const outputs = await run(landmarks, LANDMARK_SIZE_PX, images, count, signal);
        return {
          points: float32Values(outputs.points!),
          visibility: float32Values(outputs.visibility!),
          confidence: float32Values(outputs.confidence!),
        };
      },
    },
    inferenceMs: () => inferenceMs,
  };
}
