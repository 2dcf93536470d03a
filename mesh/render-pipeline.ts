/** The whole pipeline in this process, with direct calls between its services: no ports, no NATS. */
import { AudioService } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { LandmarkService } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import { createLocalAssets, type LocalAssets } from '#lib/media/assets.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { createCompositorService } from '#services/compositor/service.ts';
import { compositorConfigOf } from './compositor-config.ts';
import type { CommonConfig } from './config-fields.ts';
import { createLeafServices, openConfiguredCatalog, startInference } from './leaf-services.ts';

export interface RenderPipeline {
  readonly compositor: ServiceClient<typeof CompositorService>;
  readonly assets: LocalAssets;
  readonly runtime: InferenceRuntime;
  close(): Promise<void>;
}

export async function createRenderPipeline(config: CommonConfig): Promise<RenderPipeline> {
  const catalog = await openConfiguredCatalog(config);
  const runtime = await startInference(config);
  const assets = createLocalAssets();
  const leaves = createLeafServices(config, { catalog, runtime, assets });
  const stages = {
    audio: local(AudioService, leaves.audio),
    landmark: local(LandmarkService, leaves.landmark),
    denoiser: local(DenoiserService, leaves.denoiser),
  };
  const compositorConfig = compositorConfigOf(config);
  const compositor = createCompositorService(compositorConfig, { catalog, assets, stages });
  return { compositor: local(CompositorService, compositor), assets, runtime, close: () => runtime.close() };
}
