/** The gateway of a mesh: HTTP and the public gRPC API in front of the same functions. */

import { createGatewayApp } from '#gateway/app.ts';
import { createBundleOffers } from '#gateway/bundle-offers.ts';
import { DEFAULT_GATEWAY_CONFIG, type GatewayConfig } from '#gateway/config.ts';
import { type HttpServer, startHttpServer } from '#gateway/http-server.ts';
import { createKeyring } from '#gateway/keyring.ts';
import { serveLiveSocket } from '#gateway/live-socket.ts';
import { createRenderService } from '#gateway/render-service.ts';
import type { CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { RenderService } from '#gen/talkmesh/render/v1/render_service_pb.ts';
import type { LifecyclePart } from '#lib/lifecycle/lifecycle.ts';
import type { Readiness } from '#lib/lifecycle/readiness.ts';
import { bind } from '#lib/rpc/binding.ts';
import type { CallHook } from '#lib/rpc/call-hook.ts';
import { local } from '#lib/rpc/local.ts';
import { type RpcServer, serve } from '#lib/rpc/serve.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import type { MetricsRegistry } from '#lib/telemetry/metrics.ts';
import { apiKeysOf } from './api-keys.ts';
import type { MeshConfig } from './config-fields.ts';
import type { MeshBus } from './mesh-bus.ts';
import { TALKMESH_VERSION } from './version.ts';

export interface GatewayPartDeps {
  readonly meshBus: () => MeshBus;
  readonly compositor: () => ServiceClient<typeof CompositorService>;
  readonly after: readonly string[];
  readonly metrics: MetricsRegistry;
  readonly readiness: Readiness;
  readonly onCall: CallHook;
  readonly onServing: (addresses: { readonly http: string; readonly grpc: string }) => void;
}

/** Largest message of a live WebSocket: some seconds of speech. */
const MAX_SOCKET_MESSAGE_BYTES = 4 * 1024 * 1024;

export function createGatewayPart(config: MeshConfig, deps: GatewayPartDeps): LifecyclePart {
  let http: HttpServer | undefined;
  let grpc: RpcServer | undefined;
  return {
    name: 'gateway',
    after: deps.after,
    async start() {
      const { bus, renders, assets, results, queue } = deps.meshBus();
      const { metrics, readiness, onCall } = deps;
      const compositor = deps.compositor();
      const gatewayConfig = gatewayConfigOf(config);
      const keyring = createKeyring(gatewayConfig);
      const bundles = createBundleOffers(compositor);
      const service = createRenderService(gatewayConfig, { renders, assets, bundles, compositor, keyring });
      const client = local(RenderService, service, { onCall });
      const isReady = (): boolean => readiness.report().ready && bus.isConnected();
      const app = createGatewayApp(gatewayConfig, {
        ...{ assets, results, keyring, bundles, metrics, isReady },
        renders: client,
        version: TALKMESH_VERSION,
      });
      metrics.beforeScrape(async () => {
        const { waitingCount, oldestWaitingMs } = await queue.depth();
        metrics.set('talkmesh_queue_depth', {}, waitingCount);
        metrics.set('talkmesh_queue_age_seconds', {}, oldestWaitingMs / 1000);
      });
      grpc = await serve({ address: config.grpcAddress, services: [bind(RenderService, service)], onCall });
      http = await startHttpServer(
        { address: config.httpAddress, maxSocketMessageBytes: MAX_SOCKET_MESSAGE_BYTES },
        {
          app,
          onLiveSocket: (socket, authorization) =>
            serveLiveSocket(socket, authorization, gatewayConfig, client),
        },
      );
      deps.onServing({ http: http.address, grpc: grpc.address });
    },
    async drain() {
      await Promise.all([http?.drain(config.drainTimeoutMs), grpc?.drain(config.drainTimeoutMs)]);
    },
    async stop() {
      await Promise.all([http?.drain(0), grpc?.close()]);
    },
  };
}

function gatewayConfigOf(config: MeshConfig): GatewayConfig {
  const {
    corsOrigins,
    requestsPerSecond,
    requestBurst,
    maxLiveStreams,
    maxUploadBytes,
    slowClientTimeoutMs,
  } = config;
  return {
    ...DEFAULT_GATEWAY_CONFIG,
    apiKeys: apiKeysOf(config),
    ...{ corsOrigins, requestsPerSecond, requestBurst, maxLiveStreams, maxUploadBytes, slowClientTimeoutMs },
  };
}
