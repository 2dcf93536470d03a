/**
 * The worker of the render queue: takes renders, has them made, and writes what became of each into its record,
 * the event log and the queue, in that order. Whatever of it a crash cuts off, the next delivery completes.
 */
import { RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { DEFAULT_NAK_BACKOFF, dispositionOf, type NakBackoff } from '#lib/fault/disposition.ts';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import type { Bus, CallPatience } from './connection.ts';
import { type Failure, type RenderHandler, runAttempt } from './render-attempt.ts';
import { failed, givenUp, putBack, renderError, started, succeeded } from './render-changes.ts';
import type { RenderEvents } from './render-events.ts';
import type { Delivery, RenderQueue } from './render-queue.ts';
import type { RenderRecord } from './render-record.ts';
import type { RenderRecords } from './render-records.ts';
import { exhausted, refusalOf } from './render-refusal.ts';
import { isEnded } from './render-state.ts';

export interface RenderWorkerConfig {
  /** Renders made at once. */
  readonly concurrency: number;
  /** Pause between heartbeats; below a third of ackWaitMs of the topology. */
  readonly heartbeatMs?: number;
  /** Attempts that may crash or fail before the render fails with RENDER_DELIVERIES_EXHAUSTED. */
  readonly maxAttempts?: number;
  /** A render that was not begun this long after it was created fails with RENDER_QUEUE_TIMEOUT. */
  readonly maxWaitMs?: number;
  /** Pauses before another attempt after a failure that may pass. */
  readonly retryBackoff?: NakBackoff;
  /** Pauses before a render that found everything busy is tried again. */
  readonly saturatedBackoff?: NakBackoff;
  /** How long renders that are being made may go on after the stop; then they are put back. */
  readonly drainMs?: number;
}

export const WORKER_DEFAULTS = {
  heartbeatMs: 4_000,
  maxAttempts: 5,
  maxWaitMs: 24 * 3_600_000,
  retryBackoff: DEFAULT_NAK_BACKOFF,
  saturatedBackoff: { baseMs: 500, maxMs: 5_000 },
  drainMs: 5_000,
} as const;

export interface RenderWorkerDeps {
  readonly bus: Bus;
  readonly queue: RenderQueue;
  readonly records: RenderRecords;
  readonly events: RenderEvents;
  /** Makes one render. Throws a Fault: see lib/fault/disposition for what is tried again. */
  readonly handler: RenderHandler;
  /** Told of what went wrong beside the renders' own failures. */
  readonly onError?: (fault: Fault) => void;
}

/** A message whose record is missing for so long was queued by a process that died before it wrote the record. */
const ORPHAN_AFTER_MS = 60_000;
const ORPHAN_PAUSE_MS = 1_000;
const RECORD_PAUSES_MS = [5, 10, 20, 40, 80, 160, 320];
const STORE_FULL_PAUSE_MS = 1_000;
/** Faults of a change that say: somebody else has already settled this render. */
const SETTLED_ELSEWHERE = new Set(['RENDER_CANCELLED', 'RENDER_ENDED', 'RENDER_NOT_FOUND']);

/** Works until the signal aborts; resolves when nothing is being made any more, or the bus is closed. */
export async function runRenderWorker(
  config: RenderWorkerConfig,
  deps: RenderWorkerDeps,
  signal: AbortSignal,
): Promise<void> {
  const settings = { ...WORKER_DEFAULTS, ...config };
  const onError = deps.onError ?? (() => undefined);
  const stop = new AbortController();
  const finished = new AbortController();
  const draining = sleepAfter(signal, settings.drainMs, finished.signal).then((elapsed) => {
    if (elapsed) stop.abort(new Fault('unavailable', 'WORKER_STOPPING', 'the worker stops; another goes on'));
  });
  /** While stopping, a bus that is away must not hold the process up. */
  const patience = (): CallPatience => (stop.signal.aborted ? {} : { patienceMs: Number.POSITIVE_INFINITY });

  async function handle(delivery: Delivery): Promise<void> {
    const heartbeat = setInterval(() => delivery.working(), settings.heartbeatMs);
    let restMs = 0;
    try {
      restMs = await attend(delivery);
    } finally {
      clearInterval(heartbeat);
    }
    if (restMs > 0) await sleep(restMs, signal).catch(() => undefined);
  }

  /** Sees to one delivery. Returns how long to rest before the next one: when everything is busy, asking is work. */
  async function attend(delivery: Delivery): Promise<number> {
    const record = await awaitRecord(delivery);
    if (record === undefined) {
      await setOrphanAside(delivery);
      return 0;
    }
    if (isEnded(record.render.state)) {
      await conclude(delivery, record);
      return 0;
    }
    const refusal = refusalOf(record, settings.maxAttempts, settings.maxWaitMs);
    if (refusal !== undefined) {
      await settle(delivery, (current) => givenUp(current, renderError(refusal, traceIdOf(delivery))));
      return 0;
    }
    const running = await change(delivery, started);
    if (running === undefined) return 0;
    await announce(running);
    const { headers } = delivery;
    const { heartbeatMs } = settings;
    const options = { record: running, headers, heartbeatMs, handler: deps.handler, stop: stop.signal };
    const outcome = await runAttempt({ ...deps, onError }, options);
    if (outcome.is === 'failed') return await settleFailure(delivery, running, outcome);
    const { attemptCount } = running.render;
    await settle(delivery, (current) => succeeded(current, attemptCount, outcome.result, outcome.progress));
    return 0;
  }

  async function settleFailure(
    delivery: Delivery,
    running: RenderRecord,
    { fault }: Failure,
  ): Promise<number> {
    const attempt = running.render.attemptCount;
    if (fault.reason === 'RENDER_SUPERSEDED' || deps.bus.closed.aborted) return 0;
    if (fault === stop.signal.reason) {
      await again(delivery, attempt, false, 1);
      return 0;
    }
    const saturated = fault.kind === 'saturated';
    const backoff = saturated ? settings.saturatedBackoff : settings.retryBackoff;
    const disposition = dispositionOf(fault, attempt, backoff);
    const isLast = !saturated && running.chargedCount >= settings.maxAttempts;
    if (disposition.action === 'nak' && !isLast) {
      await again(delivery, attempt, !saturated, disposition.delayMs);
      return saturated ? disposition.delayMs : 0;
    }
    const reason = disposition.action === 'nak' ? exhausted(running.chargedCount, fault) : fault;
    await settle(delivery, (current) => failed(current, attempt, renderError(reason, traceIdOf(delivery))));
    return 0;
  }

  /** Puts the render back into the queue, where another attempt follows. */
  async function again(
    delivery: Delivery,
    attempt: number,
    charged: boolean,
    delayMs: number,
  ): Promise<void> {
    const record = await change(delivery, (current) => putBack(current, attempt, charged));
    if (record === undefined) return;
    await announce(record);
    await delivery.again(delayMs);
  }

  /** Writes how the render ended. */
  async function settle(delivery: Delivery, end: (record: RenderRecord) => RenderRecord): Promise<void> {
    const record = await change(delivery, end);
    if (record !== undefined) await conclude(delivery, record);
  }

  async function conclude(delivery: Delivery, ended: RenderRecord): Promise<void> {
    await announce(ended);
    await (ended.render.state === RenderState.FAILED ? delivery.terminate() : delivery.done());
  }

  /** Logs the record as an event. A watcher does without it: it looks at the record, too. */
  async function announce(record: RenderRecord): Promise<void> {
    try {
      await deps.events.publish(record, patience());
    } catch (error) {
      onError(toFault(error));
    }
  }

  /**
   * Changes the record, waiting while the store is full. Undefined when others have settled the render, or have
   * taken it over.
   */
  async function change(
    delivery: Delivery,
    next: (record: RenderRecord) => RenderRecord,
  ): Promise<RenderRecord | undefined> {
    const { tenant, renderId } = delivery;
    for (;;) {
      try {
        return await deps.records.update(tenant, renderId, next, patience());
      } catch (error) {
        const fault = toFault(error);
        if (fault.reason === 'RENDER_SUPERSEDED') return undefined;
        if (SETTLED_ELSEWHERE.has(fault.reason)) break;
        if (fault.kind !== 'saturated' || stop.signal.aborted) throw fault;
        onError(fault);
        await sleep(STORE_FULL_PAUSE_MS, stop.signal);
      }
    }
    const record = await deps.records.find(tenant, renderId, patience());
    await (record === undefined ? delivery.done() : conclude(delivery, record));
    return undefined;
  }

  /** The record, which is written just after the message was queued, perhaps only now. */
  async function awaitRecord(delivery: Delivery): Promise<RenderRecord | undefined> {
    for (const pauseMs of RECORD_PAUSES_MS) {
      const record = await deps.records.find(delivery.tenant, delivery.renderId, patience());
      if (record !== undefined) return record;
      await sleep(pauseMs);
    }
    return await deps.records.find(delivery.tenant, delivery.renderId, patience());
  }

  async function setOrphanAside(delivery: Delivery): Promise<void> {
    if (Date.now() - delivery.queuedAtMs < ORPHAN_AFTER_MS) return await delivery.again(ORPHAN_PAUSE_MS);
    await delivery.terminate();
    onError(
      new Fault('missing', 'RECORD_MISSING', 'a queued render had no record; it was removed from the queue'),
    );
  }

  try {
    const { concurrency } = settings;
    await deps.queue.consume({ concurrency, signal, handle, onError });
  } finally {
    finished.abort();
    await draining;
  }
}

/** The trace id of a W3C traceparent header; empty when there is none. */
function traceIdOf(delivery: Delivery): string {
  return delivery.headers.get('traceparent')?.split('-')[1] ?? '';
}

/** True `ms` after the signal aborted; false when `finished` aborted first. */
async function sleepAfter(signal: AbortSignal, ms: number, finished: AbortSignal): Promise<boolean> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    finished.addEventListener('abort', () => resolve(), { once: true });
  });
  await aborted;
  return await sleep(ms, finished).then(
    () => true,
    () => false,
  );
}
