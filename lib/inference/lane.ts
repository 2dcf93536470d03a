import { Worker } from 'node:worker_threads';
import { Fault } from '#lib/fault/fault.ts';
import { forbidTelemetry } from './no-telemetry.ts';
import type { ChosenProvider } from './provider.ts';
import {
  faultFromMessage,
  type GraphOpening,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSettings,
} from './worker-protocol.ts';

/** How long a worker may take to finish its run and close its sessions before it is terminated anyway. */
const CLOSE_TIMEOUT_MS = 5000;

/** What a run gives back: its buffers, and when it was under way. */
export interface LaneRun {
  readonly startMs: number;
  readonly endMs: number;
  readonly buffers: readonly ArrayBuffer[];
}

/** A run that failed inside its graph; the buffers came back unharmed, their content undefined. */
export interface FailedLaneRun {
  readonly fault: Fault;
  readonly buffers: readonly ArrayBuffer[];
}

/** One worker thread, from outside. It is started again, with its graphs, by the request that follows a crash. */
export interface Lane {
  /** Starts the worker and finds its provider. @throws Fault precondition PROVIDER_UNAVAILABLE */
  start(): Promise<ChosenProvider>;
  /** Opens a graph here, and again after each restart. @throws what `openSession` throws */
  open(opening: GraphOpening): Promise<void>;
  /**
   * Transfers the buffers (inputs, then outputs) and runs an opened graph on them.
   *
   * @throws Fault unavailable INFERENCE_WORKER_LOST when the worker ends meanwhile; the buffers are lost with it
   */
  run(key: string, batchSize: number, buffers: readonly ArrayBuffer[]): Promise<LaneRun | FailedLaneRun>;
  /** Ends the worker; what is still pending fails as lost. */
  close(): Promise<void>;
}

interface Pending {
  resolve(reply: Extract<WorkerReply, { id: number }>): void;
  reject(fault: Fault): void;
}

interface Incarnation {
  readonly worker: Worker;
  readonly ready: Promise<ChosenProvider>;
  readonly closed: Promise<void>;
  readonly pending: Map<number, Pending>;
}

/** @param workerUrl the module that the thread runs and that speaks worker-protocol.ts */
export function createLane(settings: WorkerSettings, workerUrl: URL): Lane {
  const openings = new Map<string, GraphOpening>();
  let current: Incarnation | undefined;
  let nextId = 0;

  const send = (
    { worker, pending }: Incarnation,
    request: WorkerRequest & { readonly id: number },
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Extract<WorkerReply, { id: number }>> => {
    const reply = new Promise<Extract<WorkerReply, { id: number }>>((resolve, reject) => {
      pending.set(request.id, { resolve, reject });
    });
    worker.postMessage(request, [...transfer]);
    return reply;
  };

  const sendOpening = async (incarnation: Incarnation, opening: GraphOpening): Promise<void> => {
    const reply = await send(incarnation, { type: 'open', id: nextId++, opening });
    if (reply.type === 'failed') throw faultFromMessage(reply.fault);
  };

  const spawn = (): Incarnation => {
    forbidTelemetry();
    const worker = new Worker(workerUrl, { workerData: settings });
    const pending = new Map<number, Pending>();
    const ready = Promise.withResolvers<ChosenProvider>();
    const closed = Promise.withResolvers<void>();
    const lose = (cause?: unknown): void => {
      if (current === incarnation) current = undefined;
      const fault = workerLost(cause);
      ready.reject(fault);
      for (const { reject } of pending.values()) reject(fault);
      pending.clear();
    };
    worker.on('message', (reply: WorkerReply) => {
      if (reply.type === 'ready') return ready.resolve(reply.chosen);
      if (reply.type === 'closed') return closed.resolve();
      if (reply.type === 'unready') return ready.reject(faultFromMessage(reply.fault));
      const waiting = pending.get(reply.id);
      pending.delete(reply.id);
      waiting?.resolve(reply);
    });
    worker.on('error', lose);
    worker.on('exit', (code) => {
      lose(new Error(`the worker thread ended with code ${code}`));
      closed.resolve();
    });
    // Whoever asked for the provider hears of a failure; a restart that fails is told by the requests it fails.
    ready.promise.catch(() => undefined);
    const incarnation: Incarnation = { worker, pending, ready: ready.promise, closed: closed.promise };
    return incarnation;
  };

  const ensure = (): Incarnation => {
    if (current !== undefined) return current;
    const incarnation = spawn();
    current = incarnation;
    for (const opening of openings.values()) {
      // The worker remembers why an opening failed and tells it to each run of that graph.
      sendOpening(incarnation, opening).catch(() => undefined);
    }
    return incarnation;
  };

  return {
    start: () => ensure().ready,
    async open(opening) {
      await sendOpening(ensure(), opening);
      openings.set(opening.key, opening);
    },
    async run(key, batchSize, buffers) {
      const reply = await send(ensure(), { type: 'run', id: nextId++, key, batchSize, buffers }, buffers);
      if (reply.type === 'ran') return reply;
      if (reply.type === 'failed') return { fault: faultFromMessage(reply.fault), buffers: reply.buffers };
      throw new Fault('internal', 'INFERENCE_PROTOCOL', `a run was answered by ${reply.type}`);
    },
    async close() {
      const incarnation = current;
      if (incarnation === undefined) return;
      incarnation.worker.postMessage({ type: 'close' } satisfies WorkerRequest);
      const timeout = Promise.withResolvers<void>();
      const timer = setTimeout(timeout.resolve, CLOSE_TIMEOUT_MS);
      await Promise.race([incarnation.closed, timeout.promise]);
      clearTimeout(timer);
      await incarnation.worker.terminate();
    },
  };
}

function workerLost(cause: unknown): Fault {
  const message = 'the inference worker ended unexpectedly; it starts again with the next request';
  return new Fault('unavailable', 'INFERENCE_WORKER_LOST', message, { cause });
}
