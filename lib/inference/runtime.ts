import { createBufferPool } from './buffer-pool.ts';
import type { Bundle } from './bundle.ts';
import { createBusyTime } from './busy-time.ts';
import { createGraph, type Graph } from './graph.ts';
import { createLane } from './lane.ts';
import type { GraphName } from './manifest.ts';
import type { PassedOver, Provider, ProviderChoice } from './provider.ts';
import { createRunQueue } from './run-queue.ts';

export interface InferenceConfig {
  /** Execution provider; "auto" takes the fastest that works here. Default "auto". */
  readonly provider?: ProviderChoice;
  /** Processor threads for runs on the CPU, shared out evenly among the workers. */
  readonly threadCount: number;
  /**
   * Worker threads, each with its own sessions of every graph. Default on the CPU: 2, or 1 when `threadCount` is 1;
   * else 1. Two runs side by side on half of the threads each waste less than one run on all of them: on two
   * cores a frame of f8-512 takes 37 ms of both instead of 49 ms.
   */
  readonly workerCount?: number;
  /** Whether opening a graph runs it once on zeros. Default true. */
  readonly warmUp?: boolean;
  /** Memory that is kept for the next runs. Default 128 MiB. */
  readonly maxPooledBytes?: number;
}

/** A run that ended well, for metrics. */
export interface RunRecord {
  readonly bundle: string;
  readonly graph: GraphName;
  readonly batchSize: number;
  readonly elapsedMs: number;
}

export interface InferenceDeps {
  readonly onRun?: (record: RunRecord) => void;
}

/** ONNX graphs on worker threads, so that no event loop of the caller's ever waits for a model. */
export interface InferenceRuntime {
  /** The execution provider in use. */
  readonly provider: Provider;
  /** What "auto" tried before, and why each did not do. */
  readonly passedOver: readonly PassedOver[];
  /** Worker threads; so many runs can be under way at once. */
  readonly workerCount: number;
  /** Processor threads inside one run. */
  readonly threadsPerRun: number;
  /**
   * Opens a graph of a bundle; one that is open already is shared.
   *
   * @throws Fault corrupt BUNDLE_CHECKSUM_MISMATCH; unsupported BUNDLE_GRAPH_UNSUPPORTED; precondition
   *   BUNDLE_GRAPH_ABSENT, BUNDLE_GRAPH_UNREADABLE, BUNDLE_GRAPH_MISMATCH
   */
  open(bundle: Bundle, graph: GraphName): Promise<Graph>;
  /** Sum of the time inside runs so far. */
  inferenceMs(): number;
  /** Wall-clock time so far in which at least one run was under way. */
  busyMs(): number;
  /** Ends the workers; runs that have not begun fail with unavailable INFERENCE_CLOSED. */
  close(): Promise<void>;
}

const CPU_WORKER_COUNT = 2;

const DEFAULTS = {
  provider: 'auto',
  workerCount: 1,
  warmUp: true,
  maxPooledBytes: 128 * 2 ** 20,
} as const;

/**
 * Starts the workers.
 *
 * @throws Fault precondition PROVIDER_UNAVAILABLE, INFERENCE_LIBRARY_UNAVAILABLE, with the remedy
 */
export async function createInferenceRuntime(
  config: InferenceConfig,
  deps: InferenceDeps = {},
): Promise<InferenceRuntime> {
  const { provider, threadCount, warmUp, maxPooledBytes } = {
    ...DEFAULTS,
    ...config,
  };
  const workerUrl = new URL('./worker.ts', import.meta.url);
  const first = createLane({ provider }, workerUrl);
  const chosen = await first.start().catch(async (error: unknown) => {
    await first.close();
    throw error;
  });
  const workerCount =
    config.workerCount ?? (chosen.provider === 'cpu' ? Math.min(CPU_WORKER_COUNT, threadCount) : 1);
  const threadsPerRun = Math.max(1, Math.floor(threadCount / workerCount));
  const others = Array.from({ length: workerCount - 1 }, () =>
    createLane({ provider: chosen.provider }, workerUrl),
  );
  const lanes = [first, ...others];

  const pool = createBufferPool(maxPooledBytes);
  const queue = createRunQueue(lanes);
  const busy = createBusyTime();
  const graphs = new Map<string, Promise<Graph>>();
  let inferenceMs = 0;

  const giveBack = (buffers: readonly ArrayBuffer[]): void => {
    for (const buffer of buffers) pool.give(buffer);
  };

  const open = async (bundle: Bundle, name: GraphName, key: string): Promise<Graph> => {
    const { path, spec } = bundle.graph(name);
    const bundleName = bundle.manifest.name;
    const opening = { key, bundle: bundleName, path, spec, threadCount: threadsPerRun, warmUp };
    await Promise.all(lanes.map((lane) => lane.open(opening)));
    return createGraph(bundleName, name, spec, pool, async (batchSize, buffers, signal) => {
      const result = await queue.submit(key, batchSize, buffers, signal, giveBack);
      if ('fault' in result) return result;
      const elapsedMs = result.endMs - result.startMs;
      inferenceMs += elapsedMs;
      busy.add(result.startMs, result.endMs);
      deps.onRun?.({ bundle: bundleName, graph: name, batchSize, elapsedMs });
      return result;
    });
  };

  return {
    provider: chosen.provider,
    passedOver: chosen.passedOver,
    threadsPerRun,
    workerCount,
    open(bundle, name) {
      const key = `${bundle.manifestSha256}/${name}`;
      const opened = graphs.get(key);
      if (opened !== undefined) return opened;
      const opening = open(bundle, name, key);
      graphs.set(key, opening);
      // A failure is not remembered, so that a repaired bundle can be opened without a restart.
      opening.catch(() => graphs.delete(key));
      return opening;
    },
    inferenceMs: () => inferenceMs,
    busyMs: () => busy.totalMs(),
    async close() {
      queue.close();
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}
