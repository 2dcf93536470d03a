/** The whole pipeline in this process, with direct calls between its services: no ports, no NATS. */
import { AudioService } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { LandmarkService } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { openCatalog } from '#lib/inference/catalog.ts';
import { createInferenceRuntime, type InferenceRuntime } from '#lib/inference/runtime.ts';
import { createLocalAssets, type LocalAssets } from '#lib/media/assets.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { createAudioService, DEFAULT_AUDIO_CONFIG } from '#services/audio/service.ts';
import { createCompositorService, DEFAULT_COMPOSITOR_CONFIG } from '#services/compositor/service.ts';
import { createDenoiserService, DEFAULT_DENOISER_CONFIG } from '#services/denoiser/service.ts';
import { DEFAULT_LANDMARK_CONFIG } from '#services/landmark/config.ts';
import { createLandmarkService } from '#services/landmark/service.ts';
import type { CommonConfig } from './config-fields.ts';
import { TALKMESH_VERSION } from './version.ts';

export interface RenderPipeline {
  readonly compositor: ServiceClient<typeof CompositorService>;
  readonly assets: LocalAssets;
  readonly runtime: InferenceRuntime;
  close(): Promise<void>;
}

export async function createRenderPipeline(config: CommonConfig): Promise<RenderPipeline> {
  const tools = { ffmpegPath: config.ffmpegPath, ffprobePath: config.ffprobePath };
  const catalog = await openCatalog({ folders: config.bundleFolders, defaultBundle: config.defaultBundle });
  const runtime = await createInferenceRuntime({
    provider: config.provider,
    threadCount: config.inferenceThreads,
  });
  const assets = createLocalAssets();
  const deps = { catalog, runtime, assets };
  const stages = {
    audio: local(AudioService, createAudioService({ ...DEFAULT_AUDIO_CONFIG, tools }, deps)),
    landmark: local(LandmarkService, createLandmarkService({ ...DEFAULT_LANDMARK_CONFIG, tools }, deps)),
    denoiser: local(DenoiserService, createDenoiserService(DEFAULT_DENOISER_CONFIG, deps)),
  };
  const compositorConfig = {
    ...DEFAULT_COMPOSITOR_CONFIG,
    tools,
    tempFolder: config.tempFolder,
    talkmeshVersion: TALKMESH_VERSION,
  };
  const compositor = createCompositorService(compositorConfig, { catalog, assets, stages });
  return {
    compositor: local(CompositorService, compositor),
    assets,
    runtime,
    close: () => runtime.close(),
  };
}
