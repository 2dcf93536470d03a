/** The three leaves of the mesh, made with what they need; who binds them to ports or calls them is another matter. */
import type { AudioService } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import type { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { LandmarkService } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { type Catalog, openCatalog } from '#lib/inference/catalog.ts';
import { createInferenceRuntime, type InferenceRuntime } from '#lib/inference/runtime.ts';
import type { AssetSource } from '#lib/media/assets.ts';
import type { FfmpegTools } from '#lib/media/media-input.ts';
import type { ServiceImpl } from '#lib/rpc/service-types.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { DEFAULT_AUDIO_CONFIG } from '#services/audio/config.ts';
import { createAudioService } from '#services/audio/service.ts';
import { DEFAULT_DENOISER_CONFIG } from '#services/denoiser/config.ts';
import { createDenoiserService } from '#services/denoiser/service.ts';
import { DEFAULT_LANDMARK_CONFIG } from '#services/landmark/config.ts';
import { createLandmarkService } from '#services/landmark/service.ts';
import type { CommonConfig } from './config-fields.ts';

export interface LeafServices {
  readonly audio: ServiceImpl<typeof AudioService>;
  readonly landmark: ServiceImpl<typeof LandmarkService>;
  readonly denoiser: ServiceImpl<typeof DenoiserService>;
}

export interface LeafDeps {
  readonly catalog: Catalog;
  readonly runtime: InferenceRuntime;
  readonly assets: AssetSource;
  readonly metrics?: Metrics;
}

/** Nothing is loaded before it is used, so making all three costs a process that serves one nothing. */
export function createLeafServices(config: CommonConfig, deps: LeafDeps): LeafServices {
  const tools = toolsOf(config);
  return {
    audio: createAudioService({ ...DEFAULT_AUDIO_CONFIG, tools }, deps),
    landmark: createLandmarkService({ ...DEFAULT_LANDMARK_CONFIG, tools }, deps),
    denoiser: createDenoiserService(DEFAULT_DENOISER_CONFIG, deps),
  };
}

export function toolsOf({ ffmpegPath, ffprobePath }: CommonConfig): FfmpegTools {
  return { ffmpegPath, ffprobePath };
}

export function openConfiguredCatalog({ bundleFolders, defaultBundle }: CommonConfig): Promise<Catalog> {
  return openCatalog({ folders: bundleFolders, defaultBundle });
}

export async function startInference(config: CommonConfig, metrics?: Metrics): Promise<InferenceRuntime> {
  const { provider, inferenceThreads: threadCount } = config;
  const runtime = await createInferenceRuntime(
    { provider, threadCount },
    {
      onRun({ bundle, graph, elapsedMs }) {
        const labels = { bundle, graph, provider: runtime.provider };
        metrics?.observe('talkmesh_inference_seconds', labels, elapsedMs / 1000);
      },
    },
  );
  return runtime;
}
