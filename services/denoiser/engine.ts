import type { Bundle } from '#lib/inference/bundle.ts';
import { rowLength } from '#lib/inference/graph-shape.ts';
import type { GraphName } from '#lib/inference/manifest.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { type Batcher, type BatchStage, createBatcher } from './batcher.ts';
import type { Clock } from './clock.ts';
import type { DenoiserConfig } from './config.ts';

/** A bundle, opened: what every stream of it shares. */
export interface Engine {
  readonly bundle: Bundle;
  readonly batcher: Batcher;
  /** Values of the latents of one frame: channels * height * width. */
  readonly latentLength: number;
  /** Values of the context of one frame: K * D. */
  readonly contextLength: number;
}

/** Opens bundles once each. */
export interface Engines {
  /** @throws what InferenceRuntime.open throws */
  get(bundle: Bundle): Promise<Engine>;
}

const CPU_BATCH_SIZE = 2;
const DEVICE_BATCH_SIZE = 16;

const STAGE_GRAPHS: Readonly<Record<BatchStage, GraphName>> = {
  encode: 'face_encoder',
  condition: 'conditioner',
  denoise: 'denoiser',
  decode: 'face_decoder',
};

export function createEngines(
  config: DenoiserConfig,
  runtime: InferenceRuntime,
  clock: Clock,
  metrics: Metrics | undefined,
): Engines {
  const engines = new Map<string, Promise<Engine>>();

  const open = async (bundle: Bundle): Promise<Engine> => {
    const graph = (stage: BatchStage) => runtime.open(bundle, STAGE_GRAPHS[stage]);
    const [encode, condition, denoise, decode] = await Promise.all([
      graph('encode'),
      graph('condition'),
      graph('denoise'),
      graph('decode'),
    ]);
    const batcher = createBatcher(
      {
        maxBatchSize:
          config.maxBatchSize ?? (runtime.provider === 'cpu' ? CPU_BATCH_SIZE : DEVICE_BATCH_SIZE),
        maxWaitMs: config.maxBatchWaitMs,
        workerCount: runtime.workerCount,
        maxCallsAhead: config.maxCallsAhead,
      },
      {
        graphs: { encode, condition, denoise, decode },
        clock,
        onCall: (stage, batchSize) =>
          metrics?.observe('talkmesh_batch_size', { graph: STAGE_GRAPHS[stage] }, batchSize),
      },
    );
    return {
      bundle,
      batcher,
      latentLength: rowLength(denoise.spec.inputs.latents!),
      contextLength: rowLength(denoise.spec.inputs.context!),
    };
  };

  return {
    get(bundle) {
      const opened = engines.get(bundle.manifestSha256);
      if (opened !== undefined) return opened;
      const engine = open(bundle);
      engines.set(bundle.manifestSha256, engine);
      // A failure is not remembered, so that a repaired bundle can be served without a restart.
      engine.catch(() => engines.delete(bundle.manifestSha256));
      return engine;
    },
  };
}
