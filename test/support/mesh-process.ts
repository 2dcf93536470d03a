/** talkmesh as its users run it: processes, started and awaited, killed and cleaned up. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PROJECT = join(import.meta.dirname, '../..');
export const TINY = {
  TALKMESH_BUNDLE_FOLDERS: join(PROJECT, 'test/bundles'),
  TALKMESH_DEFAULT_BUNDLE: 'tiny',
  TALKMESH_PROVIDER: 'cpu',
} as const;

/** How a runtime runs a TypeScript file of this project. */
export const RUNTIMES = {
  node: [process.execPath, '--disable-warning=ExperimentalWarning'],
  deno: [join(PROJECT, '.runtime/bin/deno'), 'run', '-A'],
  bun: [join(PROJECT, '.runtime/bin/bun'), 'run'],
} as const;
export type RuntimeName = keyof typeof RUNTIMES;

export interface MeshProcess {
  readonly child: ChildProcess;
  /** Addresses by what is served there. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Every log line so far. */
  readonly log: readonly Record<string, unknown>[];
  kill(signal: NodeJS.Signals): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/** Starts `talkmesh up ARGS` and waits until it is up. */
export async function startMesh(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  runtime: RuntimeName = 'node',
): Promise<MeshProcess> {
  const [command, ...flags] = RUNTIMES[runtime];
  const child = spawn(command, [...flags, join(PROJECT, 'mesh/main.ts'), 'up', ...args], {
    env: { ...cleanEnvironment(), ...TINY, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: PROJECT,
  });
  const log: Record<string, unknown>[] = [];
  const texts: string[] = [];
  const up = new Promise<Record<string, string>>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      texts.push(line);
      const entry = line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : undefined;
      if (entry === undefined) return;
      log.push(entry);
      if (entry.message === 'up') resolve(entry as Record<string, string>);
    });
    child.once('exit', (code) => reject(new Error(`talkmesh ended with ${code}:\n${texts.join('\n')}`)));
    setTimeout(() => reject(new Error(`talkmesh is not up:\n${texts.join('\n')}`)), START_TIMEOUT_MS).unref();
  });
  try {
    const addresses = await up;
    return {
      child,
      addresses,
      log,
      async kill(signal) {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.kill(signal);
        await exited;
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** The environment without talkmesh's own keys, so that a test says all it means. */
export function cleanEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([key]) => !key.startsWith('TALKMESH_'));
  return Object.fromEntries(entries) as Record<string, string>;
}

export interface TestFolder {
  readonly path: string;
  remove(): Promise<void>;
}

export async function createFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'talkmesh-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Runs `talkmesh ARGS` to its end. */
export async function runTalkmesh(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  runtime: RuntimeName = 'node',
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const [command, ...flags] = RUNTIMES[runtime];
  const child = spawn(command, [...flags, join(PROJECT, 'mesh/main.ts'), ...args], {
    env: { ...cleanEnvironment(), ...TINY, ...env },
    cwd: PROJECT,
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => {
    output.stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    output.stderr += data.toString();
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}
