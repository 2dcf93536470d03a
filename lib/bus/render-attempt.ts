/** One attempt at a render: runs the handler, while it watches that the render is still this attempt's to make. */

import type { Render } from '#gen/talkmesh/render/v1/render_pb.ts';
import { type Fault, toFault } from '#lib/fault/fault.ts';
import type { Bus } from './connection.ts';
import { lostClaim, type Progress, progressed, type ResultInit } from './render-changes.ts';
import type { RenderEvents } from './render-events.ts';
import type { RenderRecord } from './render-record.ts';
import type { RenderRecords } from './render-records.ts';
import { CANCEL_SUBJECT } from './topology.ts';

/** What a handler gets. */
export interface RenderTask {
  readonly tenant: string;
  readonly renderId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The record when the attempt began: the recipe and the assets. Read-only. */
  readonly render: Render;
  /** What was queued beside the render: the trace context, names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * Aborts when the render is cancelled or deleted, when another worker has taken it over, when this worker has
   * no more time to stop, and when the bus is closed. What the handler does after that is ignored.
   */
  readonly signal: AbortSignal;
  /**
   * Reports progress and returns at once. While one report is being written, only the latest of those that come
   * in is kept; how often to report is the caller's choice.
   */
  report(progress: Progress): void;
}

export type RenderHandler = (task: RenderTask) => Promise<ResultInit>;

export interface Failure {
  readonly is: 'failed';
  /** Why the signal aborted, if it did; else what the handler threw. */
  readonly fault: Fault;
}

export type Outcome =
  | { readonly is: 'made'; readonly result: ResultInit; readonly progress: Progress | undefined }
  | Failure;

export interface AttemptDeps {
  readonly bus: Bus;
  readonly records: RenderRecords;
  readonly events: RenderEvents;
  readonly onError: (fault: Fault) => void;
}

export interface AttemptOptions {
  readonly record: RenderRecord;
  readonly headers: ReadonlyMap<string, string>;
  readonly handler: RenderHandler;
  readonly heartbeatMs: number;
  /** Ends the attempt early, to be made again elsewhere. */
  readonly stop: AbortSignal;
}

/** Reasons of `lostClaim`: the render is not this attempt's to make any more. */
const CLAIM_LOST = new Set(['RENDER_CANCELLED', 'RENDER_ENDED', 'RENDER_NOT_FOUND', 'RENDER_SUPERSEDED']);

export async function runAttempt(deps: AttemptDeps, options: AttemptOptions): Promise<Outcome> {
  const { tenant, render } = options.record;
  const attempt = render.attemptCount;
  const lost = new AbortController();
  const over = new AbortController();
  const signal = AbortSignal.any([lost.signal, options.stop, deps.bus.closed]);
  const during = AbortSignal.any([signal, over.signal]);
  let latest: Progress | undefined;

  /** Runs until the attempt is over, reporting what goes wrong: the attempt itself goes on without a bus. */
  async function aside(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const fault = toFault(error);
      if (during.aborted) return;
      if (CLAIM_LOST.has(fault.reason)) lost.abort(fault);
      else deps.onError(fault);
    }
  }

  const check = coalesce(() =>
    aside(async () => {
      const fault = lostClaim(await deps.records.find(tenant, render.id, { signal: during }), attempt);
      if (fault !== undefined) lost.abort(fault);
    }),
  );
  const write = coalesce(() =>
    aside(async () => {
      if (latest === undefined) return;
      const progress = latest;
      const change = (record: RenderRecord) => progressed(record, attempt, progress);
      const record = await deps.records.update(tenant, render.id, change, { signal: during });
      await deps.events.publish(record, { signal: during });
    }),
  );

  const heartbeat = setInterval(check, options.heartbeatMs);
  const stopListening = deps.bus.listen(`${CANCEL_SUBJECT}.${render.id}`, check);
  try {
    const result = await options.handler({
      tenant,
      renderId: render.id,
      attempt,
      render,
      headers: options.headers,
      signal,
      report(progress) {
        latest = progress;
        write();
      },
    });
    return { is: 'made', result, progress: latest };
  } catch (error) {
    return { is: 'failed', fault: toFault(signal.aborted ? signal.reason : error) };
  } finally {
    over.abort();
    clearInterval(heartbeat);
    stopListening();
    await Promise.all([check.settled(), write.settled()]);
  }
}

interface Coalesced {
  (): void;
  /** Resolves when nothing runs. */
  settled(): Promise<void>;
}

/** Runs the work one at a time; asking while it runs makes it run once more. The work must not throw. */
function coalesce(work: () => Promise<void>): Coalesced {
  let running: Promise<void> | undefined;
  let again = false;
  async function run(): Promise<void> {
    do {
      again = false;
      await work();
    } while (again);
    running = undefined;
  }
  const ask = (): void => {
    if (running === undefined) running = run();
    else again = true;
  };
  return Object.assign(ask, { settled: async () => await running });
}
