/** A child process that this one needs: started until it answers, restarted when it dies, stopped with it. */
import { abortFault, Fault } from '#lib/fault/fault.ts';
import { raceAbort, sleep } from '#lib/flow/abortable.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import {
  type GuardedProcess,
  type GuardedProcessConfig,
  type ProcessExit,
  spawnGuarded,
} from './guarded-process.ts';

export interface SupervisedProcessConfig extends Omit<GuardedProcessConfig, 'onLine'> {
  /** Name in logs, metrics and errors. */
  readonly name: string;
  /** How to get the program when it is missing: the remedy in the error. */
  readonly installHint: string;
  /** Longest time from start to the first successful probe. Default 10,000. */
  readonly readyTimeoutMs?: number;
  /** Pause between probes. Default 50. */
  readonly probeIntervalMs?: number;
  /** Longest time from SIGTERM to SIGKILL. Default 10,000. */
  readonly stopTimeoutMs?: number;
  /** Restarts allowed within `restartWindowMs`; one more, and the process is given up. Default 5 in 60,000. */
  readonly restartLimit?: number;
  readonly restartWindowMs?: number;
  /** Pause before the first restart in a window; doubles with each further one. Default 200. */
  readonly restartDelayMs?: number;
}

export interface SupervisedProcessDeps {
  /** Whether the process answers. Called again and again until it does; may reject while it does not. */
  probe(signal: AbortSignal): Promise<boolean>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface SupervisedProcess {
  /** Resolves when the first probe succeeds. @throws Fault precondition/PROGRAM_MISSING, unavailable/CHILD_NOT_READY. */
  start(signal: AbortSignal): Promise<void>;
  /** Ends it: SIGTERM, and SIGKILL after `stopTimeoutMs`. Safe to call at any time and twice. */
  stop(): Promise<void>;
  /** Resolves with why, when the process has died too often to be restarted. */
  readonly lost: Promise<Fault>;
  /** Process id while it runs. */
  pid(): number | undefined;
}

const LAST_LINES = 20;

export function createSupervisedProcess(
  config: SupervisedProcessConfig,
  deps: SupervisedProcessDeps,
): SupervisedProcess {
  const { name, restartLimit = 5, restartWindowMs = 60_000, restartDelayMs = 200 } = config;
  const log = deps.log.child({ process: name });
  const stopping = new AbortController();
  const lost = Promise.withResolvers<Fault>();
  let current: GuardedProcess | undefined;
  let supervision: Promise<void> | undefined;

  function died({ code, signal }: ProcessExit, lastLines: readonly string[]): Fault {
    if (code === 126 || code === 127) {
      return new Fault(
        'precondition',
        'PROGRAM_MISSING',
        `${config.command} cannot be run; ${config.installHint}`,
      );
    }
    const how = signal === null ? `with status ${code}` : `by ${signal}`;
    const cause = new Error(lastLines.join('\n'));
    return new Fault('unavailable', 'CHILD_NOT_READY', `${name} ended ${how} before it was ready`, { cause });
  }

  /** One probe. A probe that fails says "not yet"; only the end of the scope ends the waiting. */
  async function answers(scope: AbortSignal): Promise<boolean> {
    try {
      return await raceAbort(deps.probe(scope), scope);
    } catch (error) {
      if (scope.aborted) throw abortFault(scope);
      log.debug('probe failed', { error });
      return false;
    }
  }

  async function waitUntilReady(
    child: GuardedProcess,
    lastLines: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const timeoutMs = config.readyTimeoutMs ?? 10_000;
    const failed = new AbortController();
    const timer = setTimeout(() => {
      failed.abort(
        new Fault('unavailable', 'CHILD_NOT_READY', `${name} did not answer within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    void child.exited.then((exit) => failed.abort(died(exit, lastLines)));
    const scope = AbortSignal.any([signal, stopping.signal, failed.signal]);
    try {
      while (!(await answers(scope))) await sleep(config.probeIntervalMs ?? 50, scope);
    } finally {
      clearTimeout(timer);
    }
  }

  async function launch(signal: AbortSignal): Promise<GuardedProcess> {
    const lastLines: string[] = [];
    const child = await spawnGuarded({
      ...config,
      onLine(line) {
        log.debug('output', { line });
        lastLines.push(line);
        if (lastLines.length > LAST_LINES) lastLines.shift();
      },
    });
    current = child;
    void child.exited.then(() => {
      if (current === child) current = undefined;
    });
    try {
      await waitUntilReady(child, lastLines, signal);
      return child;
    } catch (error) {
      await end(child);
      throw error;
    }
  }

  async function end(child: GuardedProcess): Promise<void> {
    child.signal('SIGTERM');
    const timer = setTimeout(() => {
      log.warn('did not stop in time and is killed');
      child.kill();
    }, config.stopTimeoutMs ?? 10_000);
    await child.exited;
    clearTimeout(timer);
  }

  /** Forgets restarts outside the window; how many are left. */
  function countRecent(restarts: number[]): number {
    const since = performance.now() - restartWindowMs;
    while (restarts.length > 0 && restarts[0]! < since) restarts.shift();
    return restarts.length;
  }

  async function supervise(first: GuardedProcess): Promise<void> {
    const restarts: number[] = [];
    let exit = await first.exited;
    while (!stopping.signal.aborted) {
      const recent = countRecent(restarts);
      if (recent >= restartLimit) {
        const message = `${name} died ${recent + 1} times within ${restartWindowMs} ms and is given up`;
        lost.resolve(new Fault('unavailable', 'CHILD_LOST', message));
        return;
      }
      log.warn('ended unexpectedly and is restarted', { ...exit, restarts: recent });
      deps.metrics.count('talkmesh_child_restarts_total', { process: name });
      restarts.push(performance.now());
      try {
        await sleep(restartDelayMs * 2 ** recent, stopping.signal);
        exit = await (await launch(stopping.signal)).exited;
      } catch (error) {
        if (!stopping.signal.aborted) log.warn('did not come back', { error });
      }
    }
  }

  return {
    lost: lost.promise,
    pid: () => current?.pid,
    async start(signal) {
      const child = await launch(signal);
      log.info('started', { pid: child.pid });
      supervision = supervise(child);
    },
    async stop() {
      stopping.abort(new Fault('cancelled', 'STOPPING', `${name} is being stopped`));
      if (current !== undefined) await end(current);
      await supervision;
    },
  };
}
