import { type Fault, toFault } from '#lib/fault/fault.ts';
import type { Graph, GraphCall, Tensors } from '#lib/inference/graph.ts';
import { rowLength } from '#lib/inference/graph-shape.ts';
import type { GraphTensorSpec } from '#lib/inference/manifest.ts';
import { viewTensor } from '#lib/tensor/tensor.ts';
import type { Clock } from './clock.ts';

/** The graphs that batch apart, in the order in which a frame passes them. */
export const BATCH_STAGES = ['encode', 'condition', 'denoise', 'decode'] as const;

export type BatchStage = (typeof BATCH_STAGES)[number];

/** What the batcher needs of an opened graph. */
export type BatchGraph = Pick<Graph, 'spec' | 'prepare'>;

export interface BatcherConfig {
  /** Most rows of one call. */
  readonly maxBatchSize: number;
  /** How long rows wait for company although a call could begin. 0: never. */
  readonly maxWaitMs: number;
  /** Calls that run side by side. While several workers are idle, rows that wait are shared out among them. */
  readonly workerCount: number;
  /** Calls that wait behind those that run, so that no worker waits for the next. */
  readonly maxCallsAhead: number;
}

export interface BatcherDeps {
  readonly graphs: Readonly<Record<BatchStage, BatchGraph>>;
  readonly clock: Clock;
  readonly onCall?: (stage: BatchStage, batchSize: number) => void;
}

/** One row of a call: one frame's encoding, conditioning or decoding, or one of its denoising steps. */
export interface Row {
  /** When it should be done by, in milliseconds of the clock. The earliest goes first. */
  readonly dueMs: number;
  /** Writes this row's inputs ([1, ...] each) into the call's memory. Called once, when the call begins. */
  fill(inputs: Tensors): void;
  /** Reads this row's outputs ([1, ...] each), which are gone when it returns. Called once, unless the row failed. */
  consume(outputs: Tensors): void;
}

/** What a row had of its call. */
export interface CallShare {
  readonly batchSize: number;
  /** Time inside the ONNX run divided by the batch size. */
  readonly inferenceMs: number;
}

/** A stream, as the batcher sees it. */
export interface BatcherMember {
  /**
   * Queues a row; resolves after `consume` returned.
   *
   * @throws Fault what the call failed with, or what the member left with
   */
  submit(stage: BatchStage, row: Row): Promise<CallShare>;
  /** Leaves: rows that wait are gone at once, rows under way are not consumed; all fail with `reason`. */
  leave(reason: Fault): void;
}

/**
 * Step-level continuous batching: rows that wait, of whatever stream, frame and denoising step, share one call
 * of their graph. Streams join and leave between calls. Rows go in the order of their due times, across graphs,
 * too: the next call is of the graph whose first row is due first (the later one on a path at a tie, so that what
 * was begun is finished), filled with the rows of that graph due next. A due time is never pushed back by
 * others, so each row is reached once what is due before it is done: nobody starves as long as due times move
 * on with the clock.
 *
 * Memory: at most `workerCount + maxCallsAhead` calls of `maxBatchSize` rows, beside what members themselves keep queued.
 */
export interface Batcher {
  join(): BatcherMember;
  /** Rows that wait for a call. */
  readonly pendingCount: number;
}

interface Queued {
  readonly row: Row;
  readonly member: BatcherMember;
  readonly sinceMs: number;
  /** Set when the row failed while it was under way. */
  failed: boolean;
  resolve(share: CallShare): void;
  reject(fault: Fault): void;
}

export function createBatcher(config: BatcherConfig, { graphs, clock, onCall }: BatcherDeps): Batcher {
  const queues: Record<BatchStage, Queued[]> = { encode: [], condition: [], denoise: [], decode: [] };
  const underWay = new Set<Queued>();
  let callsInFlight = 0;
  let dispatchDue = false;
  let cancelTimer: (() => void) | undefined;

  /** Puts dispatch off until all that follows from the last results has been submitted. */
  const scheduleDispatch = (): void => {
    if (dispatchDue) return;
    dispatchDue = true;
    clock.soon(dispatch);
  };

  function dispatch(): void {
    dispatchDue = false;
    cancelTimer?.();
    cancelTimer = undefined;
    while (callsInFlight < config.workerCount + config.maxCallsAhead) {
      const stage = nextStage();
      if (stage === undefined) {
        waitForCompany();
        return;
      }
      const rows = queues[stage].splice(0, nextBatchSize(queues[stage].length));
      void runCall(stage, rows);
    }
  }

  function nextStage(): BatchStage | undefined {
    const now = clock.now();
    let chosen: BatchStage | undefined;
    for (const stage of BATCH_STAGES) {
      const queue = queues[stage];
      if (queue.length === 0 || readyAtMs(queue) > now) continue;
      if (chosen === undefined || queue[0]!.row.dueMs <= queues[chosen][0]!.row.dueMs) chosen = stage;
    }
    return chosen;
  }

  /** One call takes all that it can, unless that would leave workers idle. */
  function nextBatchSize(waiting: number): number {
    const idleWorkers = Math.max(1, config.workerCount - callsInFlight);
    return Math.min(config.maxBatchSize, Math.ceil(waiting / idleWorkers));
  }

  function readyAtMs(queue: readonly Queued[]): number {
    if (config.maxWaitMs === 0 || queue.length >= config.maxBatchSize) return Number.NEGATIVE_INFINITY;
    return Math.min(...queue.map(({ sinceMs }) => sinceMs)) + config.maxWaitMs;
  }

  function waitForCompany(): void {
    const readyAt = Math.min(
      ...BATCH_STAGES.filter((stage) => queues[stage].length > 0).map((stage) => readyAtMs(queues[stage])),
    );
    if (readyAt !== Number.POSITIVE_INFINITY) cancelTimer = clock.after(readyAt - clock.now(), dispatch);
  }

  async function runCall(stage: BatchStage, rows: readonly Queued[]): Promise<void> {
    callsInFlight++;
    for (const queued of rows) underWay.add(queued);
    onCall?.(stage, rows.length);
    try {
      const call = fillCall(graphs[stage], rows);
      const { outputs, elapsedMs } = await call.run();
      const share = { batchSize: rows.length, inferenceMs: elapsedMs / rows.length };
      for (const [index, queued] of rows.entries()) {
        if (!queued.failed) consumeRow(queued, rowViews(outputs, graphs[stage].spec.outputs, index), share);
      }
      call.release();
    } catch (error) {
      const fault = toFault(error);
      for (const queued of rows) fail(queued, fault);
    }
    for (const queued of rows) underWay.delete(queued);
    callsInFlight--;
    scheduleDispatch();
  }

  function insert(queue: Queued[], queued: Queued): void {
    let at = queue.length;
    while (at > 0 && queue[at - 1]!.row.dueMs > queued.row.dueMs) at--;
    queue.splice(at, 0, queued);
  }

  return {
    join() {
      let left: Fault | undefined;
      const member: BatcherMember = {
        submit(stage, row) {
          if (left !== undefined) return Promise.reject(left);
          return new Promise((resolve, reject) => {
            const sinceMs = clock.now();
            insert(queues[stage], {
              row,
              member,
              sinceMs,
              failed: false,
              resolve,
              reject,
            });
            scheduleDispatch();
          });
        },
        leave(reason) {
          left ??= reason;
          for (const stage of BATCH_STAGES) {
            const [leaving, staying] = partition(queues[stage], (queued) => queued.member === member);
            queues[stage] = staying;
            for (const queued of leaving) fail(queued, left);
          }
          for (const queued of underWay) if (queued.member === member) fail(queued, left);
        },
      };
      return member;
    },
    get pendingCount() {
      return BATCH_STAGES.reduce((count, stage) => count + queues[stage].length, 0);
    },
  };
}

function fail(queued: Queued, fault: Fault): void {
  queued.failed = true;
  queued.reject(fault);
}

function consumeRow(queued: Queued, outputs: Tensors, share: CallShare): void {
  try {
    queued.row.consume(outputs);
    queued.resolve(share);
  } catch (error) {
    fail(queued, toFault(error));
  }
}

function fillCall(graph: BatchGraph, rows: readonly Queued[]): GraphCall {
  const call = graph.prepare(rows.length);
  for (const [index, { row }] of rows.entries()) row.fill(rowViews(call.inputs, graph.spec.inputs, index));
  return call;
}

/** Row `index` of each tensor of a call, as tensors of batch size 1 over the same memory. */
function rowViews(
  tensors: Tensors,
  specs: Readonly<Record<string, GraphTensorSpec>>,
  index: number,
): Tensors {
  const views = Object.entries(tensors).map(([name, { dtype, data, shape }]) => {
    const byteOffset = data.byteOffset + index * rowLength(specs[name]!) * data.BYTES_PER_ELEMENT;
    return [name, viewTensor(dtype, [1, ...shape.slice(1)], data.buffer, byteOffset)];
  });
  return Object.fromEntries(views) as Tensors;
}

function partition<T>(items: readonly T[], chosen: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (chosen(item) ? yes : no).push(item);
  return [yes, no];
}
