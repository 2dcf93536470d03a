import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import { spawnGuarded } from './guarded-process.ts';
import { createSupervisedProcess, type SupervisedProcessConfig } from './supervised-process.ts';

/** Whether a process runs. One that has ended but that nobody has waited for yet (a zombie) does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      (error as NodeJS.ErrnoException).code === 'ESRCH'
    ) {
      return false;
    }
    throw error;
  }
}

/** The running processes of a session: the sixth field of /proc/PID/stat, the fourth behind the name. */
function runningInSession(session: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    if (!isRunning(pid)) return false;
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[3]) === session;
  });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'talkmesh-supervised-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('spawnGuarded()', () => {
  const noLines = { onLine: () => undefined };

  it('runs the program under the process id that it reports, with arguments untouched', async () => {
    const lines: string[] = [];
    const child = await spawnGuarded({
      command: 'sh',
      args: ['-c', 'echo $$; echo "$1" >&2', 'sh', `two words "$HOME" 'x'`],
      onLine: (line) => lines.push(line),
    });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(lines.sort()).toEqual([String(child.pid), `two words "$HOME" 'x'`].sort());
  });

  it('reports exit codes, signals and programs that do not exist', async () => {
    const failing = await spawnGuarded({ command: 'sh', args: ['-c', 'exit 3'], ...noLines });
    expect(await failing.exited).toEqual({ code: 3, signal: null });
    const ended = await spawnGuarded({ command: 'sleep', args: ['60'], ...noLines });
    ended.signal('SIGTERM');
    expect(await ended.exited).toEqual({ code: null, signal: 'SIGTERM' });
    const missing = await spawnGuarded({ command: 'no-such-program', args: [], ...noLines });
    expect(await missing.exited).toEqual({ code: 127, signal: null });
  });

  it('kills grandchildren, too', async () => {
    const lines: string[] = [];
    const child = await spawnGuarded({
      command: 'sh',
      args: ['-c', 'sleep 60 & echo $!; wait'],
      onLine: (line) => lines.push(line),
    });
    await vi.waitFor(() => expect(lines).toHaveLength(1));
    child.kill();
    await child.exited;
    await vi.waitFor(() => expect(isRunning(Number(lines[0]))).toBe(false));
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'leaves nothing behind when this process dies of %s',
    async (signal) => {
      const script = join(folder, 'parent.ts');
      const module = join(import.meta.dirname, 'guarded-process.ts');
      writeFileSync(
        script,
        `import { spawnGuarded } from ${JSON.stringify(module)};
       await spawnGuarded({ command: 'sh', args: ['-c', 'trap "" TERM INT HUP; echo $$; sleep 60'], onLine: console.log });
       setInterval(() => undefined, 1000);`,
      );
      const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [line] = await once(createInterface({ input: parent.stdout }), 'line');
      const pid = Number(line);
      expect(isRunning(pid)).toBe(true);
      parent.kill(signal);
      await once(parent, 'exit');
      await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5000 });
    },
  );

  it('does not leave its guard behind when the child ends first', async () => {
    const child = await spawnGuarded({ command: 'true', args: [], ...noLines });
    await child.exited;
    // The guard is the only other process of the child's session.
    await vi.waitFor(() => expect(runningInSession(child.pid)).toEqual([]));
  });
});

describe('createSupervisedProcess()', () => {
  const metrics = createMetrics({ processMetrics: false });
  const never = new AbortController().signal;
  const log = createLogger({ level: 'error' });

  /** A program that appends its process id to a file, which is also its sign of life. */
  function program(
    overrides: Partial<SupervisedProcessConfig> & { script?: string; answers?: boolean } = {},
  ) {
    const file = join(folder, 'pids');
    const { script = 'exec sleep 60', answers = true, ...rest } = overrides;
    const started = (): number[] =>
      existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
    let probed = 0;
    const supervised = createSupervisedProcess(
      {
        name: 'sleeper',
        command: 'sh',
        args: ['-c', `echo $$ >> ${file}; ${script}`],
        installHint: 'install it',
        probeIntervalMs: 5,
        restartDelayMs: 10,
        ...rest,
      },
      {
        log,
        metrics,
        probe: async () => {
          probed += 1;
          return answers && started().includes(supervised.pid() ?? -1);
        },
      },
    );
    return { supervised, started, probed: () => probed };
  }

  it('starts when the probe succeeds, and stops', async () => {
    const { supervised, started } = program();
    await supervised.start(never);
    expect(started()).toEqual([supervised.pid()]);
    const pid = supervised.pid()!;
    expect(isRunning(pid)).toBe(true);
    await supervised.stop();
    await supervised.stop();
    expect(supervised.pid()).toBeUndefined();
    expect(isRunning(pid)).toBe(false);
  });

  it('comes back when it is killed, and counts that', async () => {
    const { supervised, started } = program();
    await supervised.start(never);
    const first = supervised.pid()!;
    process.kill(first, 'SIGKILL');
    await vi.waitFor(() => expect(started()).toHaveLength(2));
    await vi.waitFor(() => expect(supervised.pid()).toBe(started()[1]));
    expect(started()[1]).not.toBe(first);
    expect(await metrics.text()).toContain('talkmesh_child_restarts_total{process="sleeper"} 1');
    await supervised.stop();
    await sleep(50);
    expect(started()).toHaveLength(2);
  });

  it('is given up when it dies too often', async () => {
    const { supervised, started } = program({ script: 'sleep 0.05', restartLimit: 2 });
    await supervised.start(never);
    expect(await supervised.lost).toMatchObject({
      reason: 'CHILD_LOST',
      message: 'sleeper died 3 times within 60000 ms and is given up',
    });
    expect(started()).toHaveLength(3);
    await supervised.stop();
  });

  it('names the remedy when the program is missing', async () => {
    const { supervised } = program({ command: 'no-such-program' });
    await expect(supervised.start(never)).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'PROGRAM_MISSING',
      message: 'no-such-program cannot be run; install it',
    });
    await supervised.stop();
  });

  it('reports a program that ends at once, with its last words for the log', async () => {
    const { supervised } = program({ script: 'echo "port in use" >&2; exit 1', answers: false });
    await expect(supervised.start(never)).rejects.toMatchObject({
      reason: 'CHILD_NOT_READY',
      message: 'sleeper ended with status 1 before it was ready',
      cause: { message: 'port in use' },
    });
  });

  it('gives up waiting for a program that never answers, and ends it', async () => {
    const pids: number[] = [];
    const supervised = createSupervisedProcess(
      { name: 'mute', command: 'sleep', args: ['60'], installHint: '', readyTimeoutMs: 60 },
      {
        log,
        metrics,
        // A probe that hangs: the deadline holds all the same.
        probe: () => {
          pids.push(supervised.pid()!);
          return new Promise(() => undefined);
        },
      },
    );
    await expect(supervised.start(never)).rejects.toMatchObject({
      reason: 'CHILD_NOT_READY',
      message: 'mute did not answer within 60 ms',
    });
    expect(isRunning(pids[0]!)).toBe(false);
  });

  it('ends its child when the start is cancelled', async () => {
    const cancel = new AbortController();
    const { supervised, probed } = program({
      script: 'exec sleep 60',
      command: 'sh',
      args: ['-c', 'sleep 60'],
    });
    const started = supervised.start(cancel.signal);
    await vi.waitFor(() => expect(probed()).toBeGreaterThan(0));
    const pid = supervised.pid()!;
    cancel.abort();
    await expect(started).rejects.toMatchObject({ kind: 'cancelled' });
    expect(isRunning(pid)).toBe(false);
  });

  it('kills what does not heed SIGTERM', async () => {
    const { supervised } = program({ script: 'trap "" TERM; while :; do sleep 1; done', stopTimeoutMs: 50 });
    await supervised.start(never);
    const pid = supervised.pid()!;
    await supervised.stop();
    expect(isRunning(pid)).toBe(false);
  });
});
