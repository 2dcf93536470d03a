/**
 * A process as mesh runs one, for the tests of runUntilStopped(): a lifecycle of one part.
 * Arguments: how long its start and its drain take and, optionally, when it loses what it needs; milliseconds.
 */
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import { createLifecycle, type LifecyclePart } from './lifecycle.ts';
import { createReadiness } from './readiness.ts';
import { runUntilStopped } from './run-until-stopped.ts';

const [startMs = 0, drainMs = 0, lostAfterMs] = process.argv.slice(2).map(Number);
const log = createLogger();
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const part: LifecyclePart = {
  name: 'part',
  start(signal) {
    say('starting');
    return sleep(startMs, signal);
  },
  drain(signal) {
    say('draining');
    return sleep(drainMs, signal);
  },
  async stop() {
    say('stopping');
  },
};

async function lose(afterMs: number): Promise<Fault> {
  await sleep(afterMs);
  return new Fault('unavailable', 'CHILD_LOST', 'nats-server is lost');
}

const readiness = createReadiness(createMetrics({ processMetrics: false }));
const lifecycle = createLifecycle([part], { drainTimeoutMs: 5000 }, { log, readiness });
const status = await runUntilStopped(lifecycle, {
  log,
  onStarted: () => say('started'),
  ...(lostAfterMs === undefined ? {} : { lost: lose(lostAfterMs) }),
});
process.exit(status);
