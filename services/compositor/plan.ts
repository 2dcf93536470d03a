/** From a request to a plan: every choice made, every field checked, every file open. */

import type { StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { FaceRecipe, OutputRecipe } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { AssetSource, OpenAsset } from '#lib/media/assets.ts';
import type { FfmpegTools } from '#lib/media/media-input.ts';
import { resolveRecipe } from '#lib/recipe/resolve-recipe.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { offerBundle } from './bundle-offer.ts';
import type { RenderPlan } from './render.ts';
import { createVisibleMark } from './visible-mark.ts';

export interface PlanSettings {
  /** Frames between the denoiser's input and its output; bounds what is held in memory. */
  readonly framesInFlight: number;
  /** Longest edge of the output; larger sources are scaled down. */
  readonly maxEdgePx: number;
  /** Where files that are needed for a while are kept. */
  readonly tempFolder: string;
  readonly tools: FfmpegTools;
}

export interface PlanDeps {
  readonly catalog: Catalog;
  readonly assets: AssetSource;
  readonly metrics?: Metrics;
}

/** What a caller said of the face, in a file render or a live stream. */
export interface FaceRequest {
  readonly sourceAssetId: string;
  readonly face?: FaceRecipe | undefined;
  readonly output?: OutputRecipe | undefined;
}

/** A plan without its voice, and the open source that it reads. */
export interface FacePlan {
  readonly bundle: Bundle;
  readonly source: OpenAsset;
  readonly plan: Omit<RenderPlan, 'voice' | 'firstFrameIndex'>;
}

/**
 * @throws Fault missing BUNDLE_UNKNOWN, invalid as resolveRecipe, invalid SOURCE_REQUIRED, or what the asset
 * source says of the id. The caller closes `source`.
 */
export async function openFace(
  request: FaceRequest,
  streamClass: StreamClass,
  settings: PlanSettings,
  { catalog, assets, metrics }: PlanDeps,
  signal: AbortSignal,
): Promise<FacePlan> {
  const bundle = catalog.get(request.face?.bundle ?? '');
  const recipe = resolveRecipe(
    request.face,
    request.output,
    offerBundle(bundle, bundle === catalog.defaultBundle),
  );
  if (request.sourceAssetId === '') {
    throw invalidField(
      'SOURCE_REQUIRED',
      'sourceAssetId',
      'is empty; upload a photograph or video and give its id',
    );
  }
  const source = await assets.open(request.sourceAssetId, signal);
  const plan = {
    manifest: bundle.manifest,
    recipe,
    sourceAssetId: request.sourceAssetId,
    sourcePath: source.path,
    maxEdgePx: settings.maxEdgePx,
    framesWanted: undefined,
    tempFolder: settings.tempFolder,
    tools: settings.tools,
    streamClass,
    framesInFlight: settings.framesInFlight,
    visibleMark: recipe.visibleMark ? createVisibleMark() : undefined,
    metrics,
  };
  return { bundle, source, plan };
}
