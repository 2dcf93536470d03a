import { abortFault, Fault } from '#lib/fault/fault.ts';
import type { FailedLaneRun, Lane, LaneRun } from './lane.ts';

/** A run that waits for a worker. */
interface Job {
  readonly key: string;
  readonly batchSize: number;
  readonly buffers: readonly ArrayBuffer[];
  settle(result: Promise<LaneRun | FailedLaneRun>): void;
}

/** Runs in the order in which they come, each on the worker that has least to do. */
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

/** @param runsPerWorker runs that a worker is sent before it has answered */
export function createRunQueue(lanes: readonly Lane[], runsPerWorker: number): RunQueue {
  const queue: Job[] = [];
  let closed = false;

  const pump = (): void => {
    for (;;) {
      const lane = lanes.reduce((least, other) => (other.inFlight < least.inFlight ? other : least));
      const job = lane.inFlight < runsPerWorker ? queue.shift() : undefined;
      if (job === undefined) return;
      const run = lane.run(job.key, job.batchSize, job.buffers);
      job.settle(run);
      run.then(pump, pump);
    }
  };

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
