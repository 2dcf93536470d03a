/**
 * A private nats-server with JetStream for one machine: a supervised child process on loopback, with a random port
 * and token, that keeps its store in a folder.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault, isFault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { createSupervisedProcess } from '#lib/lifecycle/supervised-process.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { connectBus } from './connection.ts';
import { inFolder } from './folder.ts';

export interface NatsServerConfig {
  /** Where JetStream keeps its store and the server its port. Used by one server at a time. */
  readonly folder: string;
  /** The program, on the PATH or by its path. */
  readonly command?: string;
  /** Bytes that JetStream may use on disk. Default: three quarters of what is free. */
  readonly maxStoreBytes?: number;
  /** Longest time from the start to the first answer; recovering a large store takes a while. */
  readonly readyTimeoutMs?: number;
}

export interface NatsServerDeps {
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface NatsServer {
  /** `nats://127.0.0.1:port`; the same after a restart. */
  readonly url: string;
  /** Needed to connect. */
  readonly token: string;
  /** Resolves with why, when the server has died too often to be restarted. */
  readonly lost: Promise<Fault>;
  /** Process id while it runs. */
  pid(): number | undefined;
  /** Stops it after it has written what it holds. */
  stop(): Promise<void>;
}

const DEFAULT_COMMAND = 'nats-server';
const DEFAULT_READY_TIMEOUT_MS = 30_000;
const PREDECESSOR_PATIENCE_MS = 5_000;
const INSTALL_HINT =
  'install it (apt-get install nats-server, or https://nats.io/download) or set TALKMESH_NATS_URL';

/**
 * Starts the server and waits until JetStream answers. It does not outlive this process, however that ends.
 *
 * @param signal ends the waiting; the server is stopped with `stop`
 * @throws Fault NATS_SERVER_MISSING, NATS_FOLDER_IN_USE, FOLDER_UNUSABLE, CHILD_NOT_READY
 */
export async function startNatsServer(
  config: NatsServerConfig,
  deps: NatsServerDeps,
  signal: AbortSignal,
): Promise<NatsServer> {
  const folder = resolve(config.folder);
  const command = config.command ?? DEFAULT_COMMAND;
  const token = randomBytes(24).toString('base64url');
  let url: string | undefined;
  await inFolder(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await waitForPredecessor(folder, signal);
    await removePortFiles(folder);
    await writeConfig(config, folder, token, undefined);
  });

  const child = createSupervisedProcess(
    {
      name: 'nats-server',
      command,
      args: ['--config', configFile(folder)],
      installHint: INSTALL_HINT,
      readyTimeoutMs: config.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS,
    },
    {
      ...deps,
      async probe(probeSignal) {
        const address = url ?? (await readAddress(folder));
        if (address === undefined) return false;
        const bus = await connectBus(
          { url: address, credentials: { token }, name: 'probe' },
          {},
          { signal: probeSignal },
        );
        try {
          await bus.call('probing', () => bus.manager.getAccountInfo(), { signal: probeSignal });
        } finally {
          await bus.drain();
        }
        url = address;
        return true;
      },
    },
  );
  try {
    await child.start(signal);
    // Restarted, it must be found where it was.
    await writeConfig(config, folder, token, Number(new URL(url!).port));
  } catch (error) {
    await child.stop();
    if (isFault(error) && error.reason === 'PROGRAM_MISSING') {
      throw new Fault('precondition', 'NATS_SERVER_MISSING', `${command} cannot be run; ${INSTALL_HINT}`, {
        cause: error,
      });
    }
    throw error;
  }
  return { url: url!, token, lost: child.lost, pid: child.pid, stop: child.stop };
}

function configFile(folder: string): string {
  return join(folder, 'nats-server.conf');
}

function pidFile(folder: string): string {
  return join(folder, 'nats-server.pid');
}

async function writeConfig(
  config: NatsServerConfig,
  folder: string,
  token: string,
  port: number | undefined,
): Promise<void> {
  const limit = config.maxStoreBytes === undefined ? '' : `max_file_store: ${config.maxStoreBytes}`;
  // JSON strings are strings of this format, too. The token is not on the command line, where all can read it.
  const text = `host: "127.0.0.1"
port: ${port ?? -1}
ports_file_dir: ${JSON.stringify(folder)}
pid_file: ${JSON.stringify(pidFile(folder))}
authorization { token: "${token}" }
jetstream {
  store_dir: ${JSON.stringify(folder)}
  ${limit}
}
`;
  await writeFile(configFile(folder), text, { mode: 0o600 });
}

async function portFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith('.ports')).map((name) => join(folder, name));
}

async function removePortFiles(folder: string): Promise<void> {
  for (const file of await portFiles(folder)) await rm(file, { force: true });
}

/** The address that the server has written, once it has. */
async function readAddress(folder: string): Promise<string | undefined> {
  const [file] = await portFiles(folder);
  const text = file === undefined ? '' : await readFile(file, 'utf8');
  return text === '' ? undefined : (JSON.parse(text) as { nats: string[] }).nats[0];
}

/** Two servers on one store would destroy it. One whose owner was killed a moment ago is about to end. */
async function waitForPredecessor(folder: string, signal: AbortSignal): Promise<void> {
  const giveUpAt = Date.now() + PREDECESSOR_PATIENCE_MS;
  while (await isServerAlive(folder)) {
    if (Date.now() >= giveUpAt) {
      throw new Fault(
        'precondition',
        'NATS_FOLDER_IN_USE',
        'another nats-server uses the data folder; stop the talkmesh that runs there or use another folder',
      );
    }
    await sleep(50, signal);
  }
}

async function isServerAlive(folder: string): Promise<boolean> {
  const pid = Number(await readFile(pidFile(folder), 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // The id may by now belong to somebody else. Where there is no /proc, it is taken for the server.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => configFile(folder));
  return command.includes(configFile(folder));
}
