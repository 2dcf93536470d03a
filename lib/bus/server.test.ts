import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectBus } from './connection.ts';
import { startNatsServer } from './server.ts';
import { createStores, faultOf, QUIET, renderRequest, until } from './test-bus.ts';
import { ensureTopology } from './topology.ts';

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'talkmesh-server-'));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const start = (name: string) =>
  startNatsServer({ folder: join(parent, name) }, QUIET, AbortSignal.timeout(20_000));

/** A process that has ended, but whose parent has not asked for it yet, has no command line. */
async function isAlive(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) !== '';
}

describe('startNatsServer', () => {
  it('startNatsServer() listens on loopback only, behind a token that others cannot read', async () => {
    const server = await start('private');
    expect(new URL(server.url).hostname).toBe('127.0.0.1');
    expect((await faultOf(connectBus({ url: server.url, name: 'test' }))).reason).toBe('BUS_UNAUTHORIZED');
    const file = join(parent, 'private', 'nats-server.conf');
    expect((await stat(file)).mode & 0o077).toBe(0);
    const commandLine = await readFile(`/proc/${server.pid()}/cmdline`, 'utf8');
    expect(commandLine).toContain('nats-server');
    expect(commandLine).not.toContain(server.token);
    await server.stop();
  });

  it('startNatsServer() keeps its store, and comes back at the same address after a crash', async () => {
    const first = await start('durable');
    const config = { url: first.url, credentials: { token: first.token }, name: 'test' };
    const bus = await connectBus({ ...config, reconnectPauseMs: [20, 60] });
    await ensureTopology(bus);
    const { renders } = createStores(bus);
    const { render } = await renders.submit('acme', renderRequest());
    const pid = first.pid()!;
    process.kill(pid, 'SIGKILL');
    await until(() => !bus.isConnected());
    expect((await renders.get('acme', render.id)).id).toBe(render.id);
    expect(first.pid()).not.toBe(pid);
    await bus.drain();
    await first.stop();

    const second = await start('durable');
    const again = await connectBus({ url: second.url, credentials: { token: second.token }, name: 'test' });
    expect((await createStores(again).renders.get('acme', render.id)).sourceAssetId).toBe('sha256:face');
    await again.drain();
    await second.stop();
  });

  it('startNatsServer() refuses a folder that another server uses', async () => {
    const first = await start('shared');
    const fault = await faultOf(start('shared'));
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'NATS_FOLDER_IN_USE']);
    await first.stop();
  });

  it('startNatsServer() does not outlive its process, even when that is killed, and can be started again', async () => {
    const script = join(import.meta.dirname, 'test-server-owner.ts');
    const owner = spawn(process.execPath, [script, join(parent, 'orphan')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const { pid } = JSON.parse(line.toString()) as { pid: number };
    expect(await isAlive(pid)).toBe(true);
    owner.kill('SIGKILL');
    const next = await start('orphan');
    expect(await isAlive(pid)).toBe(false);
    await next.stop();
  });

  it('startNatsServer() names a folder that it cannot use', async () => {
    await writeFile(join(parent, 'file'), 'x');
    const fault = await faultOf(start('file'));
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'FOLDER_UNUSABLE']);
    expect(fault.message).toContain(join(parent, 'file'));
  });

  it('startNatsServer() says how to get a program that is missing', async () => {
    const config = { folder: join(parent, 'missing'), command: 'no-such-nats-server' };
    const fault = await faultOf(startNatsServer(config, QUIET, AbortSignal.timeout(10_000)));
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'NATS_SERVER_MISSING']);
    expect(fault.message).toContain('apt-get install nats-server');
    expect(fault.message).toContain('TALKMESH_NATS_URL');
  });
});
