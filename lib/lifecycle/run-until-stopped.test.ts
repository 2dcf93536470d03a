import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** A process as mesh runs one: a lifecycle of one part whose steps take as long as the arguments say. */
const PROGRAM = `
import { createLifecycle } from '#lib/lifecycle/lifecycle.ts';
import { createReadiness } from '#lib/lifecycle/readiness.ts';
import { runUntilStopped } from '#lib/lifecycle/run-until-stopped.ts';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
const [startMs, drainMs, lostAfterMs] = process.argv.slice(2).map(Number);
const log = createLogger({ destination: 2 });
const part = {
  name: 'part',
  start: (signal) => { console.log('starting'); return sleep(startMs, signal); },
  drain: (signal) => { console.log('draining'); return sleep(drainMs, signal); },
  stop: async () => { console.log('stopping'); },
};
const readiness = createReadiness(createMetrics({ processMetrics: false }));
const lifecycle = createLifecycle([part], { drainTimeoutMs: 5000 }, { log, readiness });
const lost = lostAfterMs === undefined
  ? undefined
  : sleep(lostAfterMs).then(() => new Fault('unavailable', 'CHILD_LOST', 'nats-server is lost'));
const status = await runUntilStopped(lifecycle, { log, lost, onStarted: () => console.log('started') });
process.exit(status);
`;

let folder: string;
beforeAll(() => {
  // Inside the project, where its imports resolve.
  folder = mkdtempSync(join(import.meta.dirname, 'run-until-stopped-'));
  writeFileSync(join(folder, 'program.ts'), PROGRAM);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Running {
  readonly child: ChildProcess;
  readonly output: string[];
  readonly errors: string[];
  /** Resolves when the process has written `line`. */
  until(line: string): Promise<void>;
  exit(): Promise<{ code: number | null; signal: string | null }>;
}

function start(...args: number[]): Running {
  const child = spawn(process.execPath, [join(folder, 'program.ts'), ...args.map(String)], { stdio: 'pipe' });
  const output: string[] = [];
  const errors: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => output.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const closed = once(child, 'close');
  return {
    child,
    output,
    errors,
    async until(line) {
      while (!output.includes(line)) await once(lines, 'line');
    },
    async exit() {
      const [code, signal] = await closed;
      return { code, signal };
    },
  };
}

describe('runUntilStopped()', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('drains, stops and exits 0 on %s', async (signal) => {
    const running = start(0, 20);
    await running.until('started');
    running.child.kill(signal);
    expect(await running.exit()).toEqual({ code: 0, signal: null });
    expect(running.output).toEqual(['starting', 'started', 'draining', 'stopping']);
  });

  it('ends at once on a second signal', async () => {
    const running = start(0, 4000);
    await running.until('started');
    running.child.kill('SIGTERM');
    await running.until('draining');
    running.child.kill('SIGTERM');
    expect(await running.exit()).toEqual({ code: 143, signal: null });
    expect(running.output).not.toContain('stopping');
  });

  it('gives up a start that is interrupted', async () => {
    const running = start(10_000, 0);
    await running.until('starting');
    running.child.kill('SIGINT');
    expect(await running.exit()).toEqual({ code: 0, signal: null });
    expect(running.output).toEqual(['starting']);
  });

  it('stops and exits 1 when it loses what it needs', async () => {
    const running = start(0, 0, 20);
    expect(await running.exit()).toEqual({ code: 1, signal: null });
    expect(running.output).toEqual(['starting', 'started', 'draining', 'stopping']);
    expect(running.errors.join()).toContain('CHILD_LOST');
  });
});
