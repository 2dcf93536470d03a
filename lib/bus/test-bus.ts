/** A real nats-server for tests: one for each test file, on loopback, with a store that is deleted afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type CreateRenderRequest,
  CreateRenderRequestSchema,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { type Fault, isFault } from '#lib/fault/fault.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import type { BusConfig } from './bus-config.ts';
import { type Bus, connectBus } from './connection.ts';
import { createRenderEvents, type RenderEvents } from './render-events.ts';
import { createRenderQueue, type RenderQueue } from './render-queue.ts';
import { createRenderRecords, type RenderRecords } from './render-records.ts';
import { createRenders, type Renders } from './renders.ts';
import { type NatsServer, type NatsServerConfig, startNatsServer } from './server.ts';
import { ensureTopology, type TopologyConfig } from './topology.ts';

export interface TestBus {
  readonly server: NatsServer;
  readonly bus: Bus;
  readonly folder: string;
  /** Another connection, closed at the end. */
  connect(config?: Partial<BusConfig>): Promise<Bus>;
  /** Kills the server at once, as a crash would. It comes back at the same address with the same store. */
  crashServer(): void;
  close(): Promise<void>;
}

export const QUIET = {
  log: createLogger({ level: 'error', destination: { write: () => undefined } }),
  metrics: createMetrics({ processMetrics: false }),
};

/** A server with everything in it that talkmesh needs. */
export async function startTestBus(topology: TopologyConfig = {}): Promise<TestBus> {
  const test = await startTestServer();
  await ensureTopology(test.bus, topology);
  return test;
}

/** A server with nothing in it. */
export async function startTestServer(config: Partial<NatsServerConfig> = {}): Promise<TestBus> {
  const folder = await mkdtemp(join(tmpdir(), 'talkmesh-bus-'));
  const serverConfig = { folder: join(folder, 'nats'), ...config };
  const server = await startNatsServer(serverConfig, QUIET, AbortSignal.timeout(20_000));
  const buses: Bus[] = [];
  async function connect(config: Partial<BusConfig> = {}): Promise<Bus> {
    const { url, token } = server;
    const quick = { requestTimeoutMs: 2_000, reconnectPauseMs: [20, 60] } as const;
    const bus = await connectBus({ url, credentials: { token }, name: 'test', ...quick, ...config });
    buses.push(bus);
    return bus;
  }
  const bus = await connect();
  return {
    server,
    bus,
    folder,
    connect,
    crashServer: () => process.kill(server.pid()!, 'SIGKILL'),
    async close() {
      await Promise.all(buses.map((each) => each.drain(500)));
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface RenderStores {
  readonly bus: Bus;
  readonly records: RenderRecords;
  readonly queue: RenderQueue;
  readonly events: RenderEvents;
  readonly renders: Renders;
}

export function createStores(bus: Bus): RenderStores {
  const records = createRenderRecords(bus);
  const queue = createRenderQueue(bus);
  const events = createRenderEvents(bus, records, { lookEveryMs: 500 });
  return { bus, records, queue, events, renders: createRenders({ bus, records, queue, events }) };
}

export function renderRequest(
  init: MessageInitShape<typeof CreateRenderRequestSchema> = {},
): CreateRenderRequest {
  return create(CreateRenderRequestSchema, {
    sourceAssetId: 'sha256:face',
    voiceAssetId: 'sha256:voice',
    ...init,
  });
}

/** The Fault that a promise rejects with; fails when it does not. */
export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in result && isFault(result.error)) return result.error;
  throw new Error('expected a Fault', { cause: 'error' in result ? result.error : result.value });
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Waits until the condition holds; fails after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`the condition did not come true within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
