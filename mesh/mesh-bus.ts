/** NATS and what is kept there: a private server or a given one, the connection, and the stores on top. */
import { join } from 'node:path';
import { type AssetCache, createAssetCache } from '#lib/bus/asset-cache.ts';
import { type AssetStore, createAssetStore } from '#lib/bus/asset-store.ts';
import { type Bus, connectBus } from '#lib/bus/connection.ts';
import { createObjectStore } from '#lib/bus/object-store.ts';
import { createRenderEvents, type RenderEvents } from '#lib/bus/render-events.ts';
import { createRenderQueue, type RenderQueue } from '#lib/bus/render-queue.ts';
import { createRenderRecords, type RenderRecords } from '#lib/bus/render-records.ts';
import { createRenders, type Renders } from '#lib/bus/renders.ts';
import { createResultStore, type ResultStore } from '#lib/bus/result-store.ts';
import { type NatsServer, startNatsServer } from '#lib/bus/server.ts';
import { ASSETS_BUCKET, ensureTopology, RESULTS_BUCKET } from '#lib/bus/topology.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import type { MeshConfig } from './config-fields.ts';

export interface MeshBus {
  readonly bus: Bus;
  /** The private server, when this process runs one. */
  readonly server: NatsServer | undefined;
  readonly assets: AssetStore;
  readonly assetCache: AssetCache;
  readonly results: ResultStore;
  readonly records: RenderRecords;
  readonly queue: RenderQueue;
  readonly events: RenderEvents;
  readonly renders: Renders;
  close(): Promise<void>;
}

/** How long a process waits at its start for a NATS server that is not there yet. */
const START_PATIENCE_MS = 60_000;

export async function openMeshBus(
  config: MeshConfig,
  name: string,
  { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
  signal: AbortSignal,
): Promise<MeshBus> {
  const server =
    config.natsUrl === undefined
      ? await startNatsServer({ folder: join(config.dataFolder, 'nats') }, { log, metrics }, signal)
      : undefined;
  try {
    const token = server?.token ?? config.natsToken;
    const bus = await connectBus(
      {
        url: server?.url ?? config.natsUrl!,
        ...(token === undefined ? {} : { credentials: { token } }),
        name: `talkmesh-${name}`,
        startPatienceMs: START_PATIENCE_MS,
      },
      {
        onEvent: (event) =>
          log.info('bus', { event: event.type, ...('fault' in event ? { error: event.fault } : {}) }),
      },
      { signal },
    );
    return await openStores(config, bus, server);
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

async function openStores(config: MeshConfig, bus: Bus, server: NatsServer | undefined): Promise<MeshBus> {
  await ensureTopology(bus);
  const assetObjects = createObjectStore(bus, ASSETS_BUCKET);
  const assetCache = await createAssetCache(assetObjects, { folder: join(config.dataFolder, 'assets') });
  const records = createRenderRecords(bus);
  const queue = createRenderQueue(bus);
  const events = createRenderEvents(bus, records);
  return {
    bus,
    server,
    assets: createAssetStore(assetObjects),
    assetCache,
    results: createResultStore(createObjectStore(bus, RESULTS_BUCKET)),
    records,
    queue,
    events,
    renders: createRenders({ bus, records, queue, events }),
    async close() {
      await assetCache.close();
      await bus.drain();
      await server?.stop();
    },
  };
}
