/**
 * The mesh in this process: all of it, or one service of it. What a role needs and does not find here it calls
 * over gRPC; nothing else differs between the two.
 */
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import { AudioService } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { LandmarkService } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import type { Fault } from '#lib/fault/fault.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import { createLifecycle, type Lifecycle, type LifecyclePart } from '#lib/lifecycle/lifecycle.ts';
import { createReadiness, type Readiness } from '#lib/lifecycle/readiness.ts';
import { bind, type ServiceBinding } from '#lib/rpc/binding.ts';
import { connect } from '#lib/rpc/connect.ts';
import { local } from '#lib/rpc/local.ts';
import { type RpcServer, serve } from '#lib/rpc/serve.ts';
import type { ServiceClient, ServiceImpl } from '#lib/rpc/service-types.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { MetricsRegistry } from '#lib/telemetry/metrics.ts';
import { createRpcTelemetry } from '#lib/telemetry/rpc-telemetry.ts';
import { type CompositorPart, createCompositorPart } from './compositor-part.ts';
import type { MeshConfig } from './config-fields.ts';
import { createGatewayPart } from './gateway-part.ts';
import {
  createLeafServices,
  type LeafServices,
  openConfiguredCatalog,
  startInference,
} from './leaf-services.ts';
import { type MeshBus, openMeshBus } from './mesh-bus.ts';
import { type OpsServer, startOpsServer } from './ops-server.ts';
import { LEAF_ROLES, type Role } from './roles.ts';

export interface Mesh {
  readonly lifecycle: Lifecycle;
  readonly readiness: Readiness;
  /** Where this process can be reached, by what it serves there; filled while it starts. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Resolves when something is lost that this process cannot live without. */
  readonly lost: Promise<Fault>;
}

export interface MeshDeps {
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** @param only one role, or undefined for the whole mesh */
export function createMesh(config: MeshConfig, only: Role | undefined, deps: MeshDeps): Mesh {
  const { log, metrics } = deps;
  const readiness = createReadiness(metrics);
  const onCall = createRpcTelemetry(metrics, log);
  const addresses: Record<string, string> = {};
  const lost = Promise.withResolvers<Fault>();
  const runs = (role: Role): boolean => only === undefined || only === role;
  const has = (roles: readonly Role[]): boolean => roles.some(runs);
  const connections: { close(): void }[] = [];

  let meshBus: MeshBus;
  let catalog: Catalog;
  let runtime: InferenceRuntime;
  let leaves: LeafServices;
  let compositor: CompositorPart;

  /** A client of a service: the one in this process, or the one at an address. */
  function clientOf<S extends GenService<GenServiceMethods>>(
    role: Role,
    descriptor: S,
    implementation: () => ServiceImpl<S>,
    address: string,
  ): ServiceClient<S> {
    if (runs(role)) return local(descriptor, implementation(), { onCall });
    const connection = connect(descriptor, { address, balance: 'round-robin', onCall });
    connections.push(connection);
    return connection.client;
  }

  const parts: LifecyclePart[] = [
    {
      name: 'bus',
      async start(signal) {
        meshBus = await openMeshBus(config, only ?? 'mesh', deps, signal);
        meshBus.server?.lost.then(lost.resolve, lost.reject);
      },
      stop: () => meshBus.close(),
    },
  ];
  if (has([...LEAF_ROLES, 'compositor'])) {
    parts.push({
      name: 'bundles',
      async start() {
        catalog = await openConfiguredCatalog(config);
      },
    });
  }
  if (has(LEAF_ROLES)) {
    parts.push({
      name: 'models',
      after: ['bus', 'bundles'],
      async start() {
        runtime = await startInference(config, metrics);
        log.info('inference', { provider: runtime.provider, passedOver: runtime.passedOver });
        leaves = createLeafServices(config, { catalog, runtime, assets: meshBus.assetCache, metrics });
      },
      stop: () => runtime.close(),
    });
  }
  if (runs('compositor')) {
    parts.push({
      name: 'compositor',
      after: has(LEAF_ROLES) ? ['bus', 'bundles', 'models'] : ['bus', 'bundles'],
      async start() {
        const stages = {
          audio: clientOf('audio', AudioService, () => leaves.audio, config.audioAddress),
          landmark: clientOf('landmark', LandmarkService, () => leaves.landmark, config.landmarkAddress),
          denoiser: clientOf('denoiser', DenoiserService, () => leaves.denoiser, config.denoiserAddress),
        };
        compositor = createCompositorPart(config, { catalog, stages, meshBus, log, metrics });
      },
      drain: () => compositor.drain(),
    });
  }
  if (runs('gateway')) {
    parts.push(
      createGatewayPart(config, {
        meshBus: () => meshBus,
        compositor: () => {
          const { compositorAddress } = config;
          return clientOf('compositor', CompositorService, () => compositor.service, compositorAddress);
        },
        after: runs('compositor') ? ['bus', 'compositor'] : ['bus'],
        onServing: (served) => Object.assign(addresses, served),
        ...{ metrics, readiness, onCall },
      }),
    );
  } else {
    const bindings = (): ServiceBinding[] => serviceOf(only!, { leaves, compositor });
    parts.push(servicePart(only!, bindings));
  }

  /** A single service on its own port, beside its health and metrics. */
  function servicePart(role: Role, bindings: () => ServiceBinding[]): LifecyclePart {
    let server: RpcServer | undefined;
    let ops: OpsServer | undefined;
    return {
      name: 'server',
      after: role === 'compositor' ? ['compositor'] : ['models'],
      async start() {
        ops = await startOpsServer(config.opsAddress, { metrics, readiness });
        server = await serve({ address: config.listenAddress, services: bindings(), onCall });
        Object.assign(addresses, { [role]: server.address, ops: ops.address });
      },
      async drain() {
        await server?.drain(config.drainTimeoutMs);
      },
      async stop() {
        await server?.close();
        await ops?.close();
      },
    };
  }

  const settings = { drainTimeoutMs: config.drainTimeoutMs };
  const lifecycle = createLifecycle(withConnections(parts, connections), settings, { log, readiness });
  return { lifecycle, readiness, addresses, lost: lost.promise };
}

/** Connections are opened as they are needed, and closed last but for the bus. */
function withConnections(parts: LifecyclePart[], connections: { close(): void }[]): LifecyclePart[] {
  const closing: LifecyclePart = {
    name: 'connections',
    after: ['bus'],
    async stop() {
      for (const connection of connections) connection.close();
    },
  };
  return [...parts, closing];
}

function serviceOf(
  role: Role,
  { leaves, compositor }: { leaves: LeafServices; compositor: CompositorPart },
): ServiceBinding[] {
  switch (role) {
    case 'audio':
      return [bind(AudioService, leaves.audio)];
    case 'landmark':
      return [bind(LandmarkService, leaves.landmark)];
    case 'denoiser':
      return [bind(DenoiserService, leaves.denoiser)];
    default:
      return [bind(CompositorService, compositor.service)];
  }
}
