import { existsSync, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, describe, expect, it } from 'vitest';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { faultOfGrpcStatus, STATUS_DETAILS_KEY } from '#lib/fault/grpc-status.ts';
import { bind } from './binding.ts';
import { afterwards, closeAfterEach, start, to } from './contract/opened.ts';
import {
  aborted,
  endlessRequests,
  type ProbeClient,
  type ProbeImpl,
  untilAborted,
} from './contract/probe.ts';
import { collect, faultOf } from './contract/subject.ts';
import { type RpcServer, serve } from './serve.ts';

const folder = mkdtempSync(join(tmpdir(), 'talkmesh-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

closeAfterEach();

function clientOf(server: RpcServer): ProbeClient {
  return to(server.address, { retry: { maxAttempts: 1 } }).client;
}

/** Calls a unary method with raw bytes, as a client in another language might. */
function rawCall(server: RpcServer, path: string, request: Buffer): Promise<Buffer> {
  const client = new Client(server.address, credentials.createInsecure());
  afterwards(() => client.close());
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, request, new Metadata(), (error, response) => {
      if (error === null && response !== undefined) resolve(response);
      else reject(error);
    });
  });
}

describe('serve(): what any gRPC client sees', () => {
  const echo = '/talkmesh.probe.v1.ProbeService/Echo';

  it('refuses bytes that are not the message', async () => {
    const server = await start();
    const error: ServiceError = await rawCall(server, echo, Buffer.from([0x0a, 0xff])).catch(
      (thrown) => thrown,
    );
    expect(error.code).toBe(3);
    const [detailsBin] = error.metadata.get(STATUS_DETAILS_KEY);
    const fault = faultOfGrpcStatus({
      code: error.code,
      message: error.details,
      detailsBin: detailsBin as Buffer,
    });
    expect(fault).toMatchObject({ kind: 'invalid', reason: 'MESSAGE_MALFORMED' });
    expect(fault.message).toContain('talkmesh.probe.v1.EchoRequest');
  });

  it('never sends the code or the text of a foreign error', async () => {
    const server = await start({
      async echo() {
        throw Object.assign(new Error('/srv/faces/alice.mp4'), {
          code: 10_059,
          details: 'alice',
          metadata: {},
        });
      },
    });
    const error: ServiceError = await rawCall(server, echo, Buffer.alloc(0)).catch((thrown) => thrown);
    expect(error.code).toBe(13);
    expect(error.details).toBe(toFault(new Error('x')).message);
    expect(JSON.stringify(error.metadata.toJSON())).not.toContain('alice');
  });

  it('sends messages that need escaping and details that need trimming', async () => {
    const violations = Array.from({ length: 500 }, (_, index) => ({
      field: `field${index}`,
      description: 'x'.repeat(99),
    }));
    const server = await start({
      async echo() {
        throw new Fault('invalid', 'TOO_MUCH', `half a surrogate \ud83d and "ü%\n" ${'y'.repeat(5000)}`, {
          violations,
        });
      },
    });
    const fault = await faultOf(clientOf(server).echo({}));
    expect(fault.message).toMatch(/^half a surrogate \ufffd and "ü%\n" y+$/);
    expect(fault.violations.length).toBeGreaterThan(10);
    expect(Number(fault.metadata.violationsOmitted) + fault.violations.length).toBe(500);
  });

  it('answers an implementation that returns the wrong thing as a defect', async () => {
    const server = await start({ upload: async () => ({ messageCount: 'many' as never }) });
    const call = clientOf(server).upload(endlessRequests(1).requests);
    expect(await faultOf(call)).toMatchObject({ kind: 'internal', reason: 'UNEXPECTED' });
  });

  it('aborts the implementation when a client of another make cancels', async () => {
    const seen = Promise.withResolvers<Fault>();
    const server = await start({
      async *exchange(requests, context) {
        void aborted(context).then(seen.resolve);
        for await (const { index } of requests) yield { index };
        await untilAborted(context);
      },
    });
    const client = new Client(server.address, credentials.createInsecure());
    afterwards(() => client.close());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest('/talkmesh.probe.v1.ProbeService/Exchange', asIs, asIs);
    call.on('error', () => undefined);
    call.on('data', () => call.cancel());
    call.write(Buffer.alloc(0));
    expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
  });

  it('lacks no method', async () => {
    const partial = { echo: async () => ({}) } as unknown as ProbeImpl;
    expect(() => bind(ProbeService, partial)).toThrow('talkmesh.probe.v1.ProbeService lacks download');
  });
});

describe('serve(): addresses', () => {
  it('takes a free port and says which', async () => {
    expect((await start()).address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  });

  it('takes over a socket file that nobody answers on, and removes its own', async () => {
    const path = join(folder, 'stale.sock');
    // Closing would unlink the file; a killed process leaves it, as unlinking and binding again does here.
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    const kept = join(folder, 'kept.sock');
    linkSync(path, kept);
    await new Promise((resolve) => dead.close(resolve));
    expect(existsSync(kept)).toBe(true);
    const server = await start({}, { address: `unix:${kept}` });
    expect((await clientOf(server).echo({ text: 'x' })).text).toBe('x');
    await server.close();
    expect(existsSync(kept)).toBe(false);
  });

  it('refuses an address in use, be it a port, a socket or a file', async () => {
    const inUse = { kind: 'unavailable' };
    const first = await start();
    await expect(serve({ address: first.address, services: [] })).rejects.toMatchObject(inUse);
    const address = `unix:${join(folder, 'used.sock')}`;
    await start({}, { address });
    await expect(serve({ address, services: [] })).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
    const file = join(folder, 'file.txt');
    writeFileSync(file, 'precious');
    await expect(serve({ address: `unix:${file}`, services: [] })).rejects.toMatchObject({
      reason: 'ADDRESS_IN_USE',
    });
    expect(existsSync(file)).toBe(true);
    await expect(serve({ address: 'nonsense', services: [] })).rejects.toMatchObject({
      reason: 'ADDRESS_INVALID',
    });
  });
});

describe('drain()', () => {
  it('lets running streams finish, refuses new calls, and reports not serving', async () => {
    const go = Promise.withResolvers<void>();
    const server = await start({
      async *download() {
        yield { index: 0n };
        await go.promise;
        yield { index: 1n };
      },
    });
    const client = clientOf(server);
    const stream = client.download({})[Symbol.asyncIterator]();
    expect((await stream.next()).value?.index).toBe(0n);
    const drained = server.drain(10_000);
    expect(await faultOf(clientOf(server).echo({}))).toMatchObject({ kind: 'unavailable' });
    go.resolve();
    expect((await stream.next()).value?.index).toBe(1n);
    expect((await stream.next()).done).toBe(true);
    expect(await drained).toBe(0);
    expect(server.activeCalls).toBe(0);
  });

  it('aborts what is left at its deadline, telling both sides', async () => {
    const seen = Promise.withResolvers<unknown>();
    const server = await start({
      async *exchange(requests, context) {
        context.signal.addEventListener('abort', () => seen.resolve(context.signal.reason));
        for await (const { index } of requests) {
          yield { index };
          await untilAborted(context);
        }
      },
    });
    const { requests, returned } = endlessRequests(10);
    const call = faultOf(collect(clientOf(server).exchange(requests)));
    await expect.poll(() => server.activeCalls).toBe(1);
    const startMs = performance.now();
    expect(await server.drain(200)).toBe(1);
    expect(performance.now() - startMs).toBeLessThan(1_500);
    expect(await call).toMatchObject({ kind: 'unavailable', reason: 'DRAINING', fromWire: true });
    expect(await seen.promise).toMatchObject({ reason: 'DRAINING' });
    await returned;
  });

  it('does not wait forever for an implementation that ignores its signal', async () => {
    const server = await start({ echo: () => new Promise(() => undefined) });
    const call = faultOf(clientOf(server).echo({}));
    await expect.poll(() => server.activeCalls).toBe(1);
    expect(await server.drain(50)).toBe(1);
    expect(await call).toMatchObject({ reason: 'DRAINING' });
  });
});

describe('close()', () => {
  it('ends running calls at once', async () => {
    const server = await start({ echo: (_request, context) => untilAborted(context) });
    const call = faultOf(clientOf(server).echo({}));
    await expect.poll(() => server.activeCalls).toBe(1);
    await server.close();
    expect(await call).toMatchObject({ kind: 'unavailable', reason: 'SERVER_STOPPED' });
  });
});
