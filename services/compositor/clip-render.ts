/** A clip from its request to its file: what the RPC and the durable worker have in common. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  RenderRequest,
  RenderSummarySchema,
} from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { Container } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { OpenAsset } from '#lib/media/assets.ts';
import { probeMedia } from '#lib/media/probe.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import { toDuration } from '#lib/rpc/duration.ts';
import { type ClipSettings, renderClip } from './clip.ts';
import { type FacePlan, openFace, type PlanDeps, type PlanSettings } from './plan.ts';
import { provenance } from './provenance.ts';
import type { RenderStages } from './render.ts';
import type { Checkpoints } from './segments.ts';
import { createTally } from './tally.ts';
import { storedVoice } from './voice.ts';

export interface ClipRenderSettings extends PlanSettings, ClipSettings {
  readonly talkmeshVersion: string;
}

export interface ClipRenderDeps extends PlanDeps {
  readonly stages: RenderStages;
}

export type ClipRequest = Pick<RenderRequest, 'sourceAssetId' | 'voiceAssetId' | 'face' | 'output'>;

export type ClipRenderEvent =
  | {
      readonly kind: 'started';
      readonly width: number;
      readonly height: number;
      readonly frameRate: FrameRate;
      /** 0 when the voice's container does not say how long it is. */
      readonly expectedFrameCount: number;
    }
  | { readonly kind: 'progress'; readonly frameCount: number; readonly expectedFrameCount: number }
  | {
      readonly kind: 'finished';
      /** The whole file; deleted when the iteration goes on or ends. */
      readonly path: string;
      readonly mediaType: string;
      readonly width: number;
      readonly height: number;
      readonly frameRate: FrameRate;
      readonly summary: MessageInitShape<typeof RenderSummarySchema>;
    };

/** Renders a clip, on from `checkpoints` when there are any. */
export async function* runClip(
  request: ClipRequest,
  checkpoints: Checkpoints | undefined,
  settings: ClipRenderSettings,
  deps: ClipRenderDeps,
  signal: AbortSignal,
): AsyncGenerator<ClipRenderEvent> {
  if (request.voiceAssetId === '') {
    throw invalidField('VOICE_REQUIRED', 'voiceAssetId', 'is empty; upload a sound file and give its id');
  }
  const face = await openFace(request, StreamClass.BULK, settings, deps, signal);
  try {
    const voice = await deps.assets.open(request.voiceAssetId, signal);
    try {
      yield* renderOpened(face, voice, request.voiceAssetId, checkpoints, settings, deps, signal);
    } finally {
      await voice.close();
    }
  } finally {
    await face.source.close();
  }
}

async function* renderOpened(
  face: FacePlan,
  voice: OpenAsset,
  voiceAssetId: string,
  checkpoints: Checkpoints | undefined,
  settings: ClipRenderSettings,
  deps: ClipRenderDeps,
  signal: AbortSignal,
): AsyncGenerator<ClipRenderEvent> {
  const startedAt = performance.now();
  const { recipe } = face.plan;
  const { tools } = settings;
  const { durationS = 0 } = await probeMedia(voice.path, { tools, field: 'voice', signal });
  const expectedFrameCount = framesIn(durationS, recipe.generatedFrameRate);
  const tally = createTally();
  const clip = {
    ...face.plan,
    framesWanted: expectedFrameCount || undefined,
    voice: storedVoice(recipe.bundle, voiceAssetId),
    voicePath: voice.path,
    checkpoints,
  };
  let frameCount = 0;
  for await (const event of renderClip(clip, deps.stages, settings, tally, signal)) {
    if (event.kind === 'started') yield { ...event, frameRate: recipe.outputFrameRate, expectedFrameCount };
    if (event.kind === 'progress' && event.frameCount > frameCount) {
      // After an interruption the frames since the last segment are made again; progress never goes back.
      frameCount = event.frameCount;
      yield { kind: 'progress', frameCount, expectedFrameCount };
    }
    if (event.kind === 'finished') {
      const file = await probeMedia(event.path, { tools, field: 'output', signal });
      const facts = { ...face, recipe, tally, voice, talkmeshVersion: settings.talkmeshVersion };
      const seconds = file.durationS ?? 0;
      yield {
        kind: 'finished',
        path: event.path,
        mediaType: recipe.container === Container.WEBM ? 'video/webm' : 'video/mp4',
        width: file.width,
        height: file.height,
        frameRate: recipe.outputFrameRate,
        summary: {
          frameCount: BigInt(frameCount || framesIn(seconds, recipe.generatedFrameRate)),
          duration: toDuration(seconds * 1000),
          wallTime: toDuration(performance.now() - startedAt),
          inferenceTime: toDuration(tally.inferenceMs),
          interpolatedCount: BigInt(tally.interpolatedCount),
          provenance: provenance(facts),
        },
      };
    }
  }
}

/** Frames that begin within a duration. */
function framesIn(seconds: number, { numerator, denominator }: FrameRate): number {
  // A container's clock is finer than a tenth of a millisecond; less than that is rounding.
  return Math.ceil((seconds - 1e-4) * (numerator / denominator));
}
