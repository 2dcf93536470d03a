/** Every graph of a bundle with inputs of ones, ready to be run over and over. */
import type { Bundle } from '#lib/inference/bundle.ts';
import type { GraphName } from '#lib/inference/manifest.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import type { TensorValue } from '#lib/tensor/tensor.ts';

export interface LoadedGraphs {
  /** What each frame of a tracked video runs once: audio, landmarks, encoder, conditioner, decoder. */
  readonly perFrame: readonly (() => Promise<void>)[];
  /** One denoising step. */
  readonly denoiser: () => Promise<void>;
  readonly stepCount: number;
}

/** The encoder twice: for the masked region and for the reference of source mode. */
const ONCE_A_FRAME: readonly GraphName[] = [
  'audio_features',
  'face_landmarks',
  'face_encoder',
  'face_encoder',
  'conditioner',
  'face_decoder',
];

export async function loadGraphs(runtime: InferenceRuntime, bundle: Bundle): Promise<LoadedGraphs> {
  return {
    perFrame: await Promise.all(ONCE_A_FRAME.map((name) => runner(runtime, bundle, name))),
    denoiser: await runner(runtime, bundle, 'denoiser'),
    stepCount: bundle.manifest.diffusion.steps.default,
  };
}

async function runner(
  runtime: InferenceRuntime,
  bundle: Bundle,
  name: GraphName,
): Promise<() => Promise<void>> {
  const graph = await runtime.open(bundle, name);
  const inputs = Object.fromEntries(
    Object.entries(graph.spec.inputs).map(([input, { dtype, shape }]) => [input, ones(dtype, shape)]),
  );
  return async () => {
    await graph.run(inputs);
  };
}

function ones(dtype: 'float32' | 'int64', shape: readonly ('B' | number)[]): TensorValue {
  const sizes = shape.map((size) => (size === 'B' ? 1 : size));
  const count = sizes.reduce((product, size) => product * size, 1);
  if (dtype === 'int64') return { dtype, shape: sizes, data: new BigInt64Array(count).fill(1n) };
  return { dtype, shape: sizes, data: new Float32Array(count).fill(1) };
}
