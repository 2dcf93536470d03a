import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';

const PROGRAM = join(import.meta.dirname, 'test-program.ts');

interface Running {
  readonly child: ChildProcess;
  readonly output: string[];
  readonly errors: string[];
  /** Resolves when the process has written `line`. */
  until(line: string): Promise<void>;
  exit(): Promise<{ code: number | null; signal: string | null }>;
}

function start(...args: number[]): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args.map(String)], { stdio: 'pipe' });
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
