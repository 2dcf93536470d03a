/**
 * A child process that cannot outlive this one. Signal handlers cannot promise that, since SIGKILL has none, so
 * the child is started through a shell that leaves a guard beside it: the guard reads a pipe whose other end only
 * this process holds, and kills the child when the pipe closes without a word. Works on Node, Deno and Bun.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * `exec` keeps the shell's process id, so the child is ours to signal and $$ is its id. It runs in a session of its
 * own: Ctrl-C at the terminal reaches only this process, which then stops the child in its turn.
 */
const GUARD = `exec 3<&0
(trap '' HUP INT TERM; IFS= read -r _ <&3 || kill -KILL -$$) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null`;

export interface GuardedProcessConfig {
  /** A program on the PATH or its path. */
  readonly command: string;
  readonly args: readonly string[];
  /** The child's whole environment. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Called with each line of the child's standard output and error. */
  readonly onLine: (line: string) => void;
}

/** How a process ended: its exit code, or the signal that ended it. 126 and 127: the program could not be run. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface GuardedProcess {
  readonly pid: number;
  /** Resolves once the process has ended and its output was read. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Sends a signal to the process; nothing happens when it has ended. */
  signal(name: 'SIGTERM' | 'SIGINT'): void;
  /** Kills the process and everything that it has started. */
  kill(): void;
}

function waitForExit(child: ChildProcess, onLine: (line: string) => void): Promise<ProcessExit> {
  for (const stream of [child.stdout!, child.stderr!]) createInterface({ input: stream }).on('line', onLine);
  // The guard may end before it reads; what it was told then no longer matters.
  child.stdin!.on('error', () => child.stdin!.destroy());
  // Without this word the guard would take the closing pipe for our death, and shoot at a process id that may by
  // then belong to somebody else.
  child.on('exit', () => child.stdin!.end('over\n'));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
}

/**
 * Starts a guarded child.
 *
 * @throws Error of the platform when no process can be created at all.
 */
export async function spawnGuarded(config: GuardedProcessConfig): Promise<GuardedProcess> {
  const child = spawn('/bin/sh', ['-c', GUARD, 'talkmesh-guard', config.command, ...config.args], {
    stdio: 'pipe',
    detached: true,
    ...(config.env === undefined ? {} : { env: config.env as NodeJS.ProcessEnv }),
    ...(config.cwd === undefined ? {} : { cwd: config.cwd }),
  });
  const exited = waitForExit(child, config.onLine);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid!;
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid,
    exited,
    signal(name) {
      if (!hasEnded()) child.kill(name);
    },
    kill() {
      if (!hasEnded()) process.kill(-pid, 'SIGKILL');
    },
  };
}
