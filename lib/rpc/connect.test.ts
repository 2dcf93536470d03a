import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { bind } from './binding.ts';
import { type ConnectConfig, type Connection, connect } from './connect.ts';
import { aborted, createProbe, endlessRequests, type ProbeImpl, untilAborted } from './contract/probe.ts';
import { createProxy } from './contract/proxy.ts';
import { collect, faultOf, from } from './contract/subject.ts';
import { type RpcServer, type ServeConfig, serve } from './serve.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(
  overrides: Partial<ProbeImpl> = {},
  config: Partial<ServeConfig> = {},
): Promise<RpcServer> {
  const services = [bind(ProbeService, createProbe(overrides))];
  const server = await serve({ address: '127.0.0.1:0', services, ...config });
  cleanups.push(() => server.close());
  return server;
}

function to(address: string, config: Partial<ConnectConfig> = {}): Connection<typeof ProbeService> {
  const connection = connect(ProbeService, { address, ...config });
  cleanups.push(() => connection.close());
  return connection;
}

/** A port that nobody listens on, at least a moment ago. */
async function freeAddress(): Promise<string> {
  const server = await serve({ address: '127.0.0.1:0', services: [] });
  await server.close();
  return server.address;
}

describe('connect(): message size', () => {
  const limits = { maxMessageBytes: 1000 };

  it('refuses a request over its own limit before sending', async () => {
    let served = 0;
    const server = await start({
      async echo() {
        served++;
        return {};
      },
    });
    const { client } = to(server.address, { limits });
    const fault = await faultOf(client.echo({ payload: new Uint8Array(2000) }));
    expect(fault).toMatchObject({ kind: 'invalid', reason: 'MESSAGE_TOO_LARGE', fromWire: false });
    expect(fault.metadata).toEqual({ limitBytes: '1000', sizeBytes: '2003' });
    expect(fault.message).toMatch(/2003 bytes exceeds the limit of 1000 bytes/);
    expect(served).toBe(0);
    expect(await client.echo({ payload: new Uint8Array(900) })).toBeDefined();

    const { requests, returned } = endlessRequests(2000);
    expect(await faultOf(collect(client.exchange(requests)))).toMatchObject({ reason: 'MESSAGE_TOO_LARGE' });
    await returned;
  });

  it('reports a request over the limit of the server', async () => {
    const server = await start({}, { limits });
    const { client } = to(server.address);
    const fault = await faultOf(client.echo({ payload: new Uint8Array(2000) }));
    expect(fault).toMatchObject({ kind: 'invalid', reason: 'MESSAGE_TOO_LARGE' });
    expect(fault.metadata).toEqual({ limitBytes: '1000', sizeBytes: '2003' });
  });

  it('reports a response over the limit of either side as a defect of the service', async () => {
    const strict = await start({}, { limits });
    const request = { messageCount: 1n, payloadSizeBytes: 2000 };
    const fromServer = await faultOf(collect(to(strict.address).client.download(request)));
    expect(fromServer).toMatchObject({ kind: 'internal', reason: 'MESSAGE_TOO_LARGE', fromWire: true });
    const lax = await start();
    const fromClient = await faultOf(collect(to(lax.address, { limits }).client.download(request)));
    expect(fromClient).toMatchObject({ kind: 'internal', reason: 'MESSAGE_TOO_LARGE' });
    expect(fromClient.metadata.limitBytes).toBe('1000');
  });
});

describe('connect(): reaching the server', () => {
  it('fails at once when nobody listens, and names no address', async () => {
    const { client } = to(await freeAddress(), { retry: { maxAttempts: 1 } });
    const fault = await faultOf(client.echo({}));
    expect(fault).toMatchObject({ kind: 'unavailable', reason: 'UNAVAILABLE' });
    expect(fault.message).not.toMatch(/127|\d{4}/);
    expect(await faultOf(collect(client.download({})))).toMatchObject({ kind: 'unavailable' });
  });

  it('waits for a server that starts later, or until the deadline, when told to', async () => {
    const address = await freeAddress();
    const { client } = to(address, { waitForReady: true });
    expect(await faultOf(client.echo({}, { timeoutMs: 200 }))).toMatchObject({ kind: 'late' });
    const waiting = client.echo({ text: 'early' }, { timeoutMs: 15_000 });
    await start({}, { address });
    expect((await waiting).text).toBe('early');
  });

  it('comes back by itself after a restart of the server', async () => {
    const first = await start();
    const { client } = to(first.address, { waitForReady: true });
    await client.echo({});
    await first.close();
    await start({}, { address: first.address });
    expect((await client.echo({ text: 'again' }, { timeoutMs: 15_000 })).text).toBe('again');
  });

  it.for(['nonsense', 'host:99999', 'http://127.0.0.1:80', 'unix:', ''])(
    'refuses the address "%s"',
    (address) => {
      expect(() => connect(ProbeService, { address })).toThrowError(
        expect.objectContaining({ reason: 'ADDRESS_INVALID' }),
      );
    },
  );

  it('reports a method that the server does not have as unsupported', async () => {
    const server = await serve({ address: '127.0.0.1:0', services: [] });
    cleanups.push(() => server.close());
    expect(await faultOf(to(server.address).client.echo({}))).toMatchObject({ kind: 'unsupported' });
  });
});

describe('connect(): retrying', () => {
  function failing(
    times: number,
    fault: () => Fault,
  ): { readonly impl: Partial<ProbeImpl>; calls: () => number } {
    let calls = 0;
    return {
      calls: () => calls,
      impl: {
        async echo(request) {
          if (++calls <= times) throw fault();
          return { text: request.text };
        },
        // biome-ignore lint/correctness/useYield: it fails before its first item
        async *download() {
          calls++;
          throw fault();
        },
      },
    };
  }
  const unavailable = (): Fault => new Fault('unavailable', 'MODEL_LOADING', 'not yet');
  const retry = { maxAttempts: 3, baseDelayMs: 5, maxDelayMs: 50 };

  it('repeats an unavailable unary call up to its bound', async () => {
    const twice = failing(2, unavailable);
    const { client } = to((await start(twice.impl)).address, { retry });
    expect((await client.echo({ text: 'x' })).text).toBe('x');
    expect(twice.calls()).toBe(3);

    const always = failing(99, unavailable);
    const second = to((await start(always.impl)).address, { retry });
    expect(await faultOf(second.client.echo({}))).toMatchObject({ reason: 'MODEL_LOADING' });
    expect(always.calls()).toBe(3);
  });

  it('repeats nothing else, and no stream', async () => {
    const saturated = failing(99, () => new Fault('saturated', 'QUEUE_FULL', 'full', { retryAfterMs: 1 }));
    const one = to((await start(saturated.impl)).address, { retry });
    expect(await faultOf(one.client.echo({}))).toMatchObject({ reason: 'QUEUE_FULL' });
    expect(saturated.calls()).toBe(1);

    const loading = failing(99, unavailable);
    const two = to((await start(loading.impl)).address, { retry });
    expect(await faultOf(collect(two.client.download({})))).toMatchObject({ reason: 'MODEL_LOADING' });
    expect(loading.calls()).toBe(1);
  });

  it('waits as long as the server asks, unless that is too long or past the deadline', async () => {
    const asking = (retryAfterMs: number) =>
      failing(1, () => new Fault('unavailable', 'MODEL_LOADING', 'not yet', { retryAfterMs }));
    const soon = asking(40);
    const { client } = to((await start(soon.impl)).address, { retry });
    const startMs = performance.now();
    await client.echo({});
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(38);

    const late = asking(5_000);
    const second = to((await start(late.impl)).address, { retry });
    expect(await faultOf(second.client.echo({}))).toMatchObject({ retryAfterMs: 5_000 });
    const patient = { ...retry, maxDelayMs: 60_000 };
    const third = to((await start(asking(30_000).impl)).address, { retry: patient });
    expect(await faultOf(third.client.echo({}, { timeoutMs: 15_000 }))).toMatchObject({
      reason: 'MODEL_LOADING',
    });
  });

  it('stops waiting when the caller aborts', async () => {
    const slow = { maxAttempts: 5, baseDelayMs: 60_000, maxDelayMs: 60_000 };
    const { client } = to((await start(failing(99, unavailable).impl)).address, { retry: slow });
    const call = faultOf(client.echo({}, { signal: AbortSignal.timeout(100) }));
    expect(await call).toMatchObject({ kind: 'late' });
  });
});

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
    cleanups.push(() => proxy.close());
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
    cleanups.push(() => child.kill('SIGKILL'));
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

describe('connect(): one connection', () => {
  it('lets other streams go on while one is not read', async () => {
    const server = await start();
    const { client } = to(server.address);
    const stuck = client
      .download({ messageCount: 1000n, payloadSizeBytes: 256 * 1024 })
      [Symbol.asyncIterator]();
    await stuck.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const free = await collect(client.download({ messageCount: 100n, payloadSizeBytes: 256 * 1024 }));
    expect(free.length).toBe(100);
    expect((await client.upload(from({ payload: new Uint8Array(1000) }))).messageCount).toBe(1n);
    await stuck.return?.();
  });

  it('tells its hook of each call and lets it add metadata', async () => {
    const server = await start({
      echo: async (_request, context) => ({ text: context.metadata.get('traceparent') }),
    });
    const seen: string[] = [];
    const { client } = to(server.address, {
      onCall: (call) => {
        call.metadata.set('traceparent', '00-abc');
        seen.push(`${call.binding} ${call.service}/${call.method} ${call.kind}`);
        return {
          onMessage: (direction, sizeBytes) => seen.push(`${direction} ${sizeBytes}`),
          onEnd: (fault) => seen.push(`end ${fault?.reason}`),
        };
      },
    });
    expect((await client.echo({ text: 'ab' })).text).toBe('00-abc');
    expect(seen).toEqual([
      'connect talkmesh.probe.v1.ProbeService/Echo unary',
      'request 4',
      'response 8',
      'end undefined',
    ]);
  });
});
