import { abortFault, Fault } from '#lib/fault/fault.ts';
import type { FailedLaneRun, Lane, LaneRun } from './lane.ts';

/** A run that waits for a worker. */
interface Job {
  readonly key: string;
  readonly batchSize: number;
  readonly buffers: readonly ArrayBuffer[];
  settle(result: Promise<LaneRun | FailedLaneRun>): void;
}

/** Runs in the order in which they come, each on the worker that is expected to be free first. */
export interface RunQueue {
  /**
   * Runs an opened graph on buffers (inputs, then outputs).
   *
   * @param signal drops a run that has not been sent to a worker; one that has been ends as it would
   * @param dropped receives the buffers of a dropped run
   * @throws Fault unavailable INFERENCE_WORKER_LOST, INFERENCE_CLOSED; or the abort
   */
  submit(
    key: string,
    batchSize: number,
    buffers: readonly ArrayBuffer[],
    signal: AbortSignal | undefined,
    dropped: (buffers: readonly ArrayBuffer[]) => void,
  ): Promise<LaneRun | FailedLaneRun>;
  /** Fails what waits, and all that comes later. */
  close(): void;
}

/**
 * Runs that a worker is sent before it has answered: the second begins while the result of the first travels. More
 * would only tie runs to a worker that another could begin sooner.
 */
const RUNS_PER_LANE = 2;
/** Weight of the latest run in the expected time of a graph's row. */
const LATEST_WEIGHT = 0.25;

interface LaneState {
  readonly lane: Lane;
  /** What it was sent and has not answered, in order. */
  readonly sent: Job[];
  /** When the first of these began, as far as can be seen from here. */
  beganMs: number;
}

/** @param now milliseconds that only ever grow */
export function createRunQueue(
  lanes: readonly Lane[],
  now: () => number = () => performance.now(),
): RunQueue {
  const queue: Job[] = [];
  const states: readonly LaneState[] = lanes.map((lane) => ({ lane, sent: [], beganMs: 0 }));
  const rowMs = new Map<string, number>();
  let closed = false;

  const expectedMs = ({ key, batchSize }: Job): number => (rowMs.get(key) ?? 0) * batchSize;
  const freeAtMs = ({ sent, beganMs }: LaneState): number =>
    sent.length === 0 ? Number.NEGATIVE_INFINITY : sent.reduce((sum, job) => sum + expectedMs(job), beganMs);

  const pump = (): void => {
    for (;;) {
      const open = states.filter(({ sent }) => sent.length < RUNS_PER_LANE);
      if (open.length === 0 || queue.length === 0) return;
      const state = open.reduce((first, other) => (freeAtMs(other) < freeAtMs(first) ? other : first));
      send(state, queue.shift()!);
    }
  };

  function send(state: LaneState, job: Job): void {
    if (state.sent.length === 0) state.beganMs = now();
    state.sent.push(job);
    const run = state.lane.run(job.key, job.batchSize, job.buffers);
    job.settle(run);
    const ended = (): void => {
      state.sent.splice(state.sent.indexOf(job), 1);
      state.beganMs = now();
      pump();
    };
    run.then((result) => {
      if (!('fault' in result)) learn(job, result.endMs - result.startMs);
      ended();
    }, ended);
  }

  function learn({ key, batchSize }: Job, elapsedMs: number): void {
    const latest = elapsedMs / batchSize;
    const known = rowMs.get(key) ?? latest;
    rowMs.set(key, known + LATEST_WEIGHT * (latest - known));
  }

  return {
    submit(key, batchSize, buffers, signal, dropped) {
      if (closed) return Promise.reject(closedFault());
      const { promise, resolve, reject } = Promise.withResolvers<LaneRun | FailedLaneRun>();
      const drop = (): void => {
        queue.splice(queue.indexOf(job), 1);
        dropped(buffers);
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
    },
    close() {
      closed = true;
      for (const job of queue.splice(0)) job.settle(Promise.reject(closedFault()));
    },
  };
}

function closedFault(): Fault {
  return new Fault('unavailable', 'INFERENCE_CLOSED', 'the inference runtime is closed');
}
