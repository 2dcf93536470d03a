import { abortFault, Fault } from '#lib/fault/fault.ts';
import { createBufferPool } from './buffer-pool.ts';
import type { Bundle } from './bundle.ts';
import { createBusyTime } from './busy-time.ts';
import { createGraph, type Graph } from './graph.ts';
import { createLane, type FailedLaneRun, type LaneRun } from './lane.ts';
import type { GraphName } from './manifest.ts';
import type { PassedOver, Provider, ProviderChoice } from './provider.ts';

export interface InferenceConfig {
  /** Execution provider; "auto" takes the fastest that works here. Default "auto". */
  readonly provider?: ProviderChoice;
  /** Threads inside one run on the CPU. */
  readonly threadCount: number;
  /** Worker threads, each with its own sessions of every graph. Default 1: runs take turns on all the cores. */
  readonly workerCount?: number;
  /** Whether opening a graph runs it once on zeros. Default true. */
  readonly warmUp?: boolean;
  /** Runs that a worker holds at once, so that it goes on while the last result is consumed. Default 2. */
  readonly runsInFlight?: number;
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
  /** Threads inside one run, and worker threads. */
  readonly threadCount: number;
  readonly workerCount: number;
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

interface Job {
  readonly key: string;
  readonly batchSize: number;
  readonly buffers: readonly ArrayBuffer[];
  settle(result: Promise<LaneRun | FailedLaneRun>): void;
}

const DEFAULTS = {
  provider: 'auto',
  workerCount: 1,
  warmUp: true,
  runsInFlight: 2,
  maxPooledBytes: 128 * 2 ** 20,
} as const;

/**
 * Starts the workers.
 *
 * @throws Fault precondition PROVIDER_UNAVAILABLE, with the remedy
 */
export async function createInferenceRuntime(
  config: InferenceConfig,
  deps: InferenceDeps = {},
): Promise<InferenceRuntime> {
  const { provider, threadCount, workerCount, warmUp, runsInFlight, maxPooledBytes } = {
    ...DEFAULTS,
    ...config,
  };
  const workerUrl = new URL('./worker.ts', import.meta.url);
  const lanes = Array.from({ length: workerCount }, () => createLane({ provider, threadCount }, workerUrl));
  const close = async (): Promise<void> => {
    await Promise.all(lanes.map((lane) => lane.close()));
  };
  const chosen = await Promise.all(lanes.map((lane) => lane.start())).catch(async (error: unknown) => {
    await close();
    throw error;
  });

  const pool = createBufferPool(maxPooledBytes);
  const busy = createBusyTime();
  const graphs = new Map<string, Promise<Graph>>();
  const queue: Job[] = [];
  let inferenceMs = 0;
  let closed = false;

  const pump = (): void => {
    for (;;) {
      const lane = lanes.reduce((least, other) => (other.inFlight < least.inFlight ? other : least));
      const job = lane.inFlight < runsInFlight ? queue.shift() : undefined;
      if (job === undefined) return;
      const run = lane.run(job.key, job.batchSize, job.buffers);
      job.settle(run);
      run.then(pump, pump);
    }
  };

  const submit = (
    key: string,
    batchSize: number,
    buffers: readonly ArrayBuffer[],
    signal: AbortSignal | undefined,
  ): Promise<LaneRun | FailedLaneRun> => {
    if (closed) return Promise.reject(closedFault());
    const { promise, resolve, reject } = Promise.withResolvers<LaneRun | FailedLaneRun>();
    const drop = (): void => {
      queue.splice(queue.indexOf(job), 1);
      for (const buffer of buffers) pool.give(buffer);
      reject(abortFault(signal!));
    };
    const job: Job = {
      key,
      batchSize,
      buffers,
      settle(result) {
        signal?.removeEventListener('abort', drop);
        resolve(result);
      },
    };
    signal?.addEventListener('abort', drop, { once: true });
    queue.push(job);
    pump();
    return promise;
  };

  const open = async (bundle: Bundle, name: GraphName, key: string): Promise<Graph> => {
    const { path, spec } = bundle.graph(name);
    const bundleName = bundle.manifest.name;
    await Promise.all(lanes.map((lane) => lane.open({ key, bundle: bundleName, path, spec, warmUp })));
    return createGraph(bundleName, name, spec, pool, async (batchSize, buffers, signal) => {
      const result = await submit(key, batchSize, buffers, signal);
      if ('fault' in result) return result;
      const elapsedMs = result.endMs - result.startMs;
      inferenceMs += elapsedMs;
      busy.add(result.startMs, result.endMs);
      deps.onRun?.({ bundle: bundleName, graph: name, batchSize, elapsedMs });
      return result;
    });
  };

  return {
    provider: chosen[0]!.provider,
    passedOver: chosen[0]!.passedOver,
    threadCount,
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
      closed = true;
      for (const job of queue.splice(0)) job.settle(Promise.reject(closedFault()));
      await close();
    },
  };
}

function closedFault(): Fault {
  return new Fault('unavailable', 'INFERENCE_CLOSED', 'the inference runtime is closed');
}
