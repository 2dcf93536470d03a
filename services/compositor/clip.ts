/** A whole clip: the render's frames in segments, then one file with the voice. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Container } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { type Fault, toFault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { type ClipContainer, muxClip, segmentCodec } from '#lib/media/mux.ts';
import { probeMedia } from '#lib/media/probe.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import { withSpan } from '#lib/telemetry/span.ts';
import { makeClipFolder } from './clip-folder.ts';
import { type RenderPlan, type RenderStages, renderFrames } from './render.ts';
import { type Checkpoints, createSegmentWriter, type SegmentWriter } from './segments.ts';
import type { RenderTally } from './tally.ts';

export interface ClipSettings {
  /** Frames of a segment: what is lost at most when a process dies. A multiple of the bundle's reference reset. */
  readonly segmentFrameCount: number;
  /** How often a stage that has become unavailable is tried again without a new segment in between. */
  readonly stageRetryCount: number;
  /** Wait before the first retry; doubles with each. */
  readonly stageRetryDelayMs: number;
}

export interface ClipPlan extends Omit<RenderPlan, 'firstFrameIndex'> {
  readonly voicePath: string;
  readonly checkpoints: Checkpoints | undefined;
}

export type ClipEvent =
  | { readonly kind: 'started'; readonly width: number; readonly height: number }
  | { readonly kind: 'progress'; readonly frameCount: number }
  /** The file is whole; it is deleted when the iteration goes on or ends. */
  | { readonly kind: 'finished'; readonly path: string };

/** Segments that will be encoded again are kept at near lossless quality. */
const INTERMEDIATE_RATE_FACTOR = 8;

/**
 * Renders a clip. Yields `started` with the first frame that is made (none when every segment was kept), `progress` after each frame, `finished` at the end.
 * When a stage becomes unavailable the clip goes on at the last segment boundary.
 */
export async function* renderClip(
  plan: ClipPlan,
  stages: RenderStages,
  settings: ClipSettings,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<ClipEvent> {
  const container = clipContainer(plan.recipe.container);
  const interpolate = interpolation(plan);
  const folder = await makeClipFolder(plan.tempFolder);
  const segments = createSegmentWriter({
    folder,
    frameRate: plan.recipe.generatedFrameRate,
    segmentFrameCount: settings.segmentFrameCount,
    checkpoints: plan.checkpoints,
    codec: segmentCodec(container),
    constantRateFactor: interpolate === undefined ? plan.recipe.constantRateFactor : INTERMEDIATE_RATE_FACTOR,
    tools: plan.tools,
    signal,
  });
  try {
    await segments.restore();
    yield* renderSegments(plan, stages, settings, segments, tally, signal);
    const outputPath = join(folder, 'clip');
    const frameCount =
      interpolate && (await countFrames(plan, interpolate.frameRate, settings, segments, signal));
    await withSpan('compositor.mux', { 'talkmesh.segment_count': segments.paths.length }, () =>
      muxClip({
        segmentPaths: segments.paths,
        voicePath: plan.voicePath,
        outputPath,
        listPath: join(folder, 'segments.txt'),
        container,
        ...(frameCount === undefined ? {} : { interpolate: { ...interpolate!, frameCount } }),
        tools: plan.tools,
        signal,
      }),
    );
    yield { kind: 'finished', path: outputPath };
  } finally {
    await segments.discard();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Renders what is missing, again from the last finished segment when a stage was lost. */
async function* renderSegments(
  plan: ClipPlan,
  stages: RenderStages,
  settings: ClipSettings,
  segments: SegmentWriter,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<ClipEvent> {
  let started = false;
  let attempt = 0;
  for (;;) {
    const finishedCount = segments.paths.length;
    const firstFrameIndex = finishedCount * settings.segmentFrameCount;
    try {
      for await (const { frameIndex, picture } of renderFrames(
        { ...plan, firstFrameIndex },
        stages,
        tally,
        signal,
      )) {
        if (!started) yield { kind: 'started', width: picture.width, height: picture.height };
        started = true;
        await segments.write(picture);
        yield { kind: 'progress', frameCount: frameIndex + 1 };
      }
      await segments.finish();
      return;
    } catch (error) {
      await segments.discard();
      const fault = toFault(error);
      attempt = segments.paths.length > finishedCount ? 1 : attempt + 1;
      if (!worthRetrying(fault) || attempt > settings.stageRetryCount) throw fault;
      await sleep(settings.stageRetryDelayMs * 2 ** (attempt - 1), signal);
    }
  }
}

/** Frames at another rate that begin within the segments. Only the last is shorter, and its file says by how much. */
async function countFrames(
  { recipe, tools }: ClipPlan,
  to: FrameRate,
  { segmentFrameCount }: ClipSettings,
  { paths }: SegmentWriter,
  signal: AbortSignal,
): Promise<number> {
  const { generatedFrameRate: from } = recipe;
  const { durationS = 0 } = await probeMedia(paths.at(-1)!, { tools, field: 'output', signal });
  const lastFrameCount = Math.round((durationS * from.numerator) / from.denominator);
  const frameCount = (paths.length - 1) * segmentFrameCount + lastFrameCount;
  return Math.ceil((frameCount * to.numerator * from.denominator) / (to.denominator * from.numerator));
}

/** A stage that is gone or full may be back in a moment; anything else will not get better. */
function worthRetrying(fault: Fault): boolean {
  return fault.kind === 'unavailable' || fault.kind === 'saturated';
}

function clipContainer(container: Container): ClipContainer {
  if (container === Container.WEBM) return 'webm';
  return container === Container.FRAGMENTED_MP4 ? 'fragmented-mp4' : 'mp4';
}

function interpolation({ recipe }: ClipPlan) {
  const { generatedFrameRate: from, outputFrameRate: to, constantRateFactor } = recipe;
  if (from.numerator * to.denominator === to.numerator * from.denominator) return undefined;
  return { frameRate: to, constantRateFactor };
}
