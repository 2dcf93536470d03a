import { describe, expect, it } from 'vitest';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { connect } from './connect.ts';
import { afterwards, closeAfterEach, start, to } from './contract/opened.ts';
import { endlessRequests } from './contract/probe.ts';
import { collect, faultOf, from } from './contract/subject.ts';
import { serve } from './serve.ts';

closeAfterEach();

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
    afterwards(() => server.close());
    expect(await faultOf(to(server.address).client.echo({}))).toMatchObject({ kind: 'unsupported' });
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
