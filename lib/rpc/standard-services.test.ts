/** grpc.health.v1 and reflection, as a client that knows nothing of talkmesh uses them. */
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, makeClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { bind } from './binding.ts';
import { createProbe } from './contract/probe.ts';
import { type RpcServer, serve } from './serve.ts';

let server: RpcServer;
let client: Client;
beforeEach(async () => {
  const denoiser = Object.fromEntries(
    DenoiserService.methods.map(({ localName }) => [localName, () => undefined]),
  );
  server = await serve({
    address: '127.0.0.1:0',
    services: [bind(ProbeService, createProbe()), bind(DenoiserService, denoiser as never)],
  });
  client = new Client(server.address, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await server.close();
});

describe('grpc.health.v1', () => {
  function healthClient(): Record<string, (...call: unknown[]) => never> & { close(): void } {
    const HealthClient = makeClientConstructor(healthService as never, 'Health');
    return new HealthClient(server.address, credentials.createInsecure()) as never;
  }

  function check(name: string): Promise<string> {
    const health = healthClient();
    return new Promise<string>((resolve, reject) => {
      health.check!({ service: name }, (error: Error | null, response: { status: string }) => {
        health.close();
        if (error === null) resolve(response.status);
        else reject(error);
      });
    });
  }

  it('reports the server and each service, and follows setServing', async () => {
    expect(await check('')).toBe('SERVING');
    expect(await check('talkmesh.probe.v1.ProbeService')).toBe('SERVING');
    server.setServing('talkmesh.probe.v1.ProbeService', false);
    expect(await check('talkmesh.probe.v1.ProbeService')).toBe('NOT_SERVING');
    expect(await check('')).toBe('SERVING');
    await expect(check('no.such.Service')).rejects.toMatchObject({ code: 5 });
  });

  it('tells those who watch, and lets none of them hold up a drain', async () => {
    const health = healthClient();
    const seen: string[] = [];
    const stream = health.watch!({ service: '' }) as unknown as NodeJS.ReadableStream;
    stream.on('data', (response: { status: string }) => seen.push(response.status));
    stream.on('error', () => seen.push('ended'));
    await expect.poll(() => seen).toEqual(['SERVING']);
    const startMs = performance.now();
    await server.drain(5_000);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await expect.poll(() => seen).toEqual(['SERVING', 'NOT_SERVING', 'ended']);
    health.close();
  });
});

describe.for(['v1', 'v1alpha'])('grpc.reflection.%s', (version) => {
  /** One request of ServerReflectionInfo: field number and text. Resolves to the fields of the response. */
  function ask(field: number, text: string): Promise<Buffer> {
    const request = new BinaryWriter().tag(field, WireType.LengthDelimited).string(text).finish();
    const asIs = (bytes: Buffer): Buffer => bytes;
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const call = client.makeBidiStreamRequest(path, asIs, asIs);
    return new Promise((resolve, reject) => {
      call.on('data', resolve);
      call.on('error', reject);
      call.write(Buffer.from(request));
      call.end();
    });
  }

  /** The length-delimited values of one field of a message. */
  function valuesOf(message: Uint8Array, field: number): Uint8Array[] {
    const reader = new BinaryReader(message);
    const values: Uint8Array[] = [];
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      if (number === field && type === WireType.LengthDelimited) values.push(reader.bytes());
      else reader.skip(type, number);
    }
    return values;
  }

  /** The file that declares the symbol, first, and the files that come with it. */
  async function filesOf(symbol: string): Promise<FileDescriptorProto[]> {
    // file_containing_symbol = 4; file_descriptor_response = 4 { file_descriptor_proto = 1 }
    const [files] = valuesOf(await ask(4, symbol), 4);
    return valuesOf(files!, 1).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  }

  it('lists the services', async () => {
    // list_services = 7; list_services_response = 6 { service = 1 { name = 1 } }
    const [list] = valuesOf(await ask(7, ''), 6);
    const names = valuesOf(list!, 1).map((entry) => Buffer.from(valuesOf(entry, 1)[0]!).toString());
    expect(names).toEqual(
      expect.arrayContaining([
        'talkmesh.probe.v1.ProbeService',
        'talkmesh.denoiser.v1.DenoiserService',
        'grpc.health.v1.Health',
      ]),
    );
  });

  it('describes a service with everything that it imports', async () => {
    const files = await filesOf('talkmesh.denoiser.v1.DenoiserService');
    const methods = files[0]?.service[0]?.method.map(({ name }) => name);
    expect(methods).toEqual(DenoiserService.methods.map(({ name }) => name));
    const names = files.map(({ name }) => name);
    expect(names).toContain('google/protobuf/duration.proto');
    for (const { dependency } of files) expect(names).toEqual(expect.arrayContaining(dependency));
  });

  it('describes the health service', async () => {
    const [file] = await filesOf('grpc.health.v1.Health');
    expect(file?.service[0]?.method.map(({ name }) => name)).toContain('Check');
  });
});
