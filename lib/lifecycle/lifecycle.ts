/**
 * The parts of a process, started in the order of their needs and stopped in reverse:
 * not ready -> drain (finish what was begun) -> stop (let go of everything), each within its deadline.
 */
import { Fault, toFault } from '#lib/fault/fault.ts';
import { raceAbort, sleep } from '#lib/flow/abortable.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Readiness } from './readiness.ts';
import { type OrderedPart, startOrder } from './start-order.ts';

/** One part: a server, a connection, a child process. What it does not define, it does not need. */
export interface LifecyclePart extends OrderedPart {
  /** Resolves when the part serves. Must clean up after itself when it rejects. */
  start?(signal: AbortSignal): Promise<void>;
  /** Takes no new work and resolves when the work that it has is done; the signal ends the patience. */
  drain?(signal: AbortSignal): Promise<void>;
  /** Lets go of everything. Called once, also when the part's `drain` ran out of time. */
  stop?(signal: AbortSignal): Promise<void>;
}

export interface LifecycleConfig {
  /** Longest start of one part. Default 120,000: models load and warm up. */
  readonly startTimeoutMs?: number;
  /**
   * Pause between "not ready" and draining, in which balancers take this process off their lists. Default 0;
   * in Kubernetes about 5,000.
   */
  readonly notReadyDelayMs?: number;
  /** Longest drain of all parts together. Default 25,000. */
  readonly drainTimeoutMs?: number;
  /** Longest stop of one part. Default 5,000. */
  readonly stopTimeoutMs?: number;
}

export interface LifecycleDeps {
  readonly log: Logger;
  readonly readiness: Readiness;
}

export interface Lifecycle {
  /**
   * Starts every part, those that do not need each other side by side. When one fails, the others are stopped.
   *
   * @throws Fault of the part that failed first; unavailable/START_TIMEOUT for one that took too long.
   */
  start(signal?: AbortSignal): Promise<void>;
  /** Drains and stops what was started. Resolves true when each part did so in time; never rejects. Safe to call twice. */
  stop(): Promise<boolean>;
}

type Step = 'start' | 'drain' | 'stop';

export function createLifecycle(
  parts: readonly LifecyclePart[],
  config: LifecycleConfig,
  { log, readiness }: LifecycleDeps,
): Lifecycle {
  const ordered = startOrder(parts);
  const started: LifecyclePart[] = [];
  let stopped: Promise<boolean> | undefined;
  let starting: Promise<void> | undefined;
  const abandon = new AbortController();

  /** Runs one step of one part within `timeoutMs`; what it does after that is on its own. */
  async function run(part: LifecyclePart, step: Step, timeoutMs: number, scope?: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => {
      const message = `${part.name} did not ${step} within ${timeoutMs} ms`;
      late.abort(new Fault('unavailable', `${step.toUpperCase()}_TIMEOUT`, message));
    }, timeoutMs);
    const signal = scope === undefined ? late.signal : AbortSignal.any([scope, late.signal]);
    try {
      await raceAbort(part[step]?.(signal) ?? Promise.resolve(), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async function startPart(part: LifecyclePart, scope: AbortSignal): Promise<void> {
    const began = performance.now();
    await run(part, 'start', config.startTimeoutMs ?? 120_000, scope);
    started.push(part);
    readiness.set(part.name, { ready: true });
    log.debug('part started', { part: part.name, ms: Math.round(performance.now() - began) });
  }

  async function startAll(scope: AbortSignal): Promise<void> {
    for (const { name } of ordered) readiness.set(name, { ready: false, reason: 'starting' });
    const running = new Map<string, Promise<void>>();
    for (const part of ordered) {
      const needs = (part.after ?? []).map((name) => running.get(name)!);
      running.set(
        part.name,
        Promise.all(needs).then(() => startPart(part, scope)),
      );
    }
    for (const start of running.values()) start.catch((error: unknown) => abandon.abort(toFault(error)));
    await Promise.allSettled(running.values());
    if (scope.aborted) throw toFault(scope.reason);
  }

  /** One step of shutting down: a failure is logged and does not keep the others from theirs. */
  async function attempt(part: LifecyclePart, step: Step, timeoutMs: number): Promise<boolean> {
    try {
      await run(part, step, timeoutMs);
      return true;
    } catch (error) {
      log.warn(`part did not ${step} cleanly`, { part: part.name, error });
      return false;
    }
  }

  async function stopAll(): Promise<boolean> {
    abandon.abort(new Fault('cancelled', 'STOPPING', 'this process is being stopped'));
    readiness.drain();
    await starting?.catch(() => undefined);
    let clean = true;
    const reverse = [...started].reverse();
    if (reverse.length > 0) await sleep(config.notReadyDelayMs ?? 0);
    const drainBy = performance.now() + (config.drainTimeoutMs ?? 25_000);
    for (const part of reverse) {
      if (part.drain === undefined) continue;
      clean = (await attempt(part, 'drain', Math.max(0, drainBy - performance.now()))) && clean;
    }
    for (const part of reverse) clean = (await attempt(part, 'stop', config.stopTimeoutMs ?? 5_000)) && clean;
    return clean;
  }

  const lifecycle: Lifecycle = {
    async start(signal) {
      starting = startAll(signal === undefined ? abandon.signal : AbortSignal.any([signal, abandon.signal]));
      try {
        await starting;
      } catch (error) {
        await lifecycle.stop();
        throw error;
      }
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };
  return lifecycle;
}
