/** From start to exit status: what a long-running command does around its lifecycle. */
import { constants } from 'node:os';
import { type Fault, isFault } from '#lib/fault/fault.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Lifecycle } from './lifecycle.ts';

type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP';
const STOP_SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/** The parts of `process` that are needed. */
export interface SignalHost {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  exit(status: number): void;
}

export interface RunDeps {
  readonly log: Logger;
  /** Resolves when something that this process cannot live without is lost, such as its bus. */
  readonly lost?: Promise<Fault>;
  /** Called once everything has started. */
  readonly onStarted?: () => void;
  readonly host?: SignalHost;
}

/**
 * Starts, waits for SIGTERM, SIGINT, SIGHUP or a loss, stops, and resolves with the exit status: 0 when it was
 * asked to stop and did so cleanly, 1 otherwise. A second signal ends the process at once with 128 + its number.
 */
export async function runUntilStopped(lifecycle: Lifecycle, deps: RunDeps): Promise<number> {
  const { log, host = process } = deps;
  const asked = Promise.withResolvers<void>();
  let signalled = false;
  const onSignal = (signal: StopSignal): void => {
    if (signalled) {
      log.warn('second signal, ending at once', { signal });
      host.exit(128 + constants.signals[signal]);
      return;
    }
    signalled = true;
    log.info('stopping; a second signal ends at once', { signal });
    asked.resolve();
    // Not only after the start: a start that takes long is given up.
    void lifecycle.stop();
  };
  for (const signal of STOP_SIGNALS) host.on(signal, onSignal);
  // Waiting for a signal keeps no event loop alive by itself.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await lifecycle.start();
    deps.onStarted?.();
    const loss = await Promise.race([asked.promise, deps.lost ?? asked.promise]);
    if (isFault(loss)) log.error('lost what this process needs', { error: loss });
    const clean = await lifecycle.stop();
    return clean && !isFault(loss) ? 0 : 1;
  } catch (error) {
    if (signalled) return (await lifecycle.stop()) ? 0 : 1;
    log.error('did not start', { error });
    return 1;
  } finally {
    clearInterval(alive);
    for (const signal of STOP_SIGNALS) host.off(signal, onSignal);
  }
}
