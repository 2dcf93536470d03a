import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Fault } from '#lib/fault/fault.ts';
import { afterwards, closeAfterEach, start, to } from './contract/opened.ts';
import { aborted, endlessRequests, untilAborted } from './contract/probe.ts';
import { createProxy } from './contract/proxy.ts';
import { collect, faultOf } from './contract/subject.ts';

closeAfterEach();

describe('connect(): losing the connection', () => {
  it('aborts the implementation within a second, and fails the caller as unavailable', async () => {
    const seen = Promise.withResolvers<Fault>();
    const ready = Promise.withResolvers<void>();
    const server = await start({
      async *exchange(requests, context) {
        void aborted(context).then(seen.resolve);
        for await (const { index } of requests) {
          yield { index };
          ready.resolve();
        }
      },
    });
    const proxy = await createProxy(server.address);
    afterwards(() => proxy.close());
    const { client } = to(proxy.address);
    const { requests, returned } = endlessRequests(100);
    const call = faultOf(collect(client.exchange(requests)));
    await ready.promise;
    const startMs = performance.now();
    proxy.cut();
    expect(await call).toMatchObject({ kind: 'unavailable' });
    expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await returned;
    await expect.poll(() => server.activeCalls).toBe(0);
  });

  it('fails as unavailable when the server is killed in the middle of a stream', async () => {
    const script = fileURLToPath(new URL('./contract/serve-probe.ts', import.meta.url));
    const denoFlags = 'Deno' in globalThis ? ['run', '-A'] : [];
    const child = spawn(process.execPath, [...denoFlags, script], { stdio: ['ignore', 'pipe', 'inherit'] });
    afterwards(() => child.kill('SIGKILL'));
    const [address] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { client } = to(address);
    const stream = client.download({})[Symbol.asyncIterator]();
    expect((await stream.next()).value?.index).toBe(0n);
    const pending = faultOf(stream.next());
    child.kill('SIGKILL');
    expect(await pending).toMatchObject({ kind: 'unavailable' });
  });

  it('fails what is running when the client is closed, and every call after that', async () => {
    const server = await start({ echo: (_request, context) => untilAborted(context) });
    const { client, close } = to(server.address);
    const running = faultOf(client.echo({}));
    await expect.poll(() => server.activeCalls).toBe(1);
    close();
    expect(await running).toMatchObject({ kind: 'cancelled', reason: 'CLIENT_CLOSED' });
    expect(await faultOf(client.echo({}))).toMatchObject({ reason: 'CLIENT_CLOSED' });
    await expect.poll(() => server.activeCalls).toBe(0);
  });
});
