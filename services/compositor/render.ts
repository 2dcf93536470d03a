/**
 * The render: a voice and a face in, finished frames out. It is the root of the mesh: it pulls, and every stage
 * is an async iterator with a bounded buffer, so backpressure, cancellation and deadlines run down the chain by
 * themselves and memory is flat whatever the clip's length. A whole clip (clip.ts) and a live stream (live.ts)
 * are both made of this one function.
 *
 *     voice  ─> feature windows ─┐
 *                                ├─ by frame index ─> conditions ─> denoiser ─> blend ─> frames
 *     source ─> shots ───────────┘
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AudioService } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import {
  type DenoiseRequestSchema,
  type DenoiserService,
  type GeneratedFace,
  StreamClass,
} from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { LandmarkService } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { type Channel, channel } from '#lib/flow/channel.ts';
import { prefetch } from '#lib/flow/prefetch.ts';
import { zip } from '#lib/flow/zip.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { blendFace } from './blend.ts';
import { openShots, type Shot, type ShotsPlan } from './shots.ts';
import type { RenderTally } from './tally.ts';
import type { VisibleMark } from './visible-mark.ts';
import { featureWindows, type Voice, type VoiceFrame } from './voice.ts';

/** The three leaves of the mesh; local or remote makes no difference here. */
export interface RenderStages {
  readonly audio: ServiceClient<typeof AudioService>;
  readonly landmark: ServiceClient<typeof LandmarkService>;
  readonly denoiser: ServiceClient<typeof DenoiserService>;
}

/** What is rendered, with every choice made. */
export interface RenderPlan extends ShotsPlan {
  readonly voice: Voice;
  readonly streamClass: StreamClass;
  /** The first frame to generate: 0, or a segment boundary after an interruption. */
  readonly firstFrameIndex: number;
  /** Frames between the denoiser's input and its output; bounds what is held in memory. */
  readonly framesInFlight: number;
  /** Draws on every finished frame; absent when the recipe switches it off. */
  readonly visibleMark: VisibleMark | undefined;
  readonly metrics: Metrics | undefined;
}

export interface ComposedFrame {
  readonly frameIndex: number;
  readonly picture: RgbPixels;
  /** Whether somebody speaks, 0 to 1. */
  readonly voiceActivity: number;
}

/** A frame on its way through the denoiser. */
interface Awaited {
  readonly voice: VoiceFrame;
  readonly shot: Shot;
}

const STAGE = { stage: 'compositor' } as const;
const WINDOWS_AHEAD = 32;
const SHOTS_AHEAD = 4;
const FACES_AHEAD = 2;

/**
 * Yields the frames of a clip in order, from `plan.firstFrameIndex` to the end of the voice.
 *
 * @throws Fault of whichever stage fails first; the others are cancelled by then.
 */
export async function* renderFrames(
  plan: RenderPlan,
  stages: RenderStages,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<ComposedFrame> {
  // One controller ends every stage, whichever way this generator is left.
  const stop = new AbortController();
  const scope = AbortSignal.any([signal, stop.signal]);
  const awaited = channel<Awaited>(plan.framesInFlight);
  const next = awaited[Symbol.asyncIterator]();
  const labels = { ...STAGE, class: plan.streamClass === StreamClass.LIVE ? 'live' : 'batch' };
  plan.metrics?.add('talkmesh_active_streams', labels, 1);
  try {
    const windows = prefetch(featureWindows(plan.voice, stages.audio, tally, scope), WINDOWS_AHEAD);
    const shots = prefetch(openShots(plan, stages.landmark, tally, scope), SHOTS_AHEAD);
    const requests = conditions(plan, zip(windows, shots), awaited);
    const responses = prefetch(stages.denoiser.denoise(requests, { signal: scope }), FACES_AHEAD);
    for await (const { part } of responses) {
      if (part.case === 'started') tally.provider = part.value.provider;
      if (part.case === 'summary') tally.inferenceMs += durationMs(part.value.inferenceTime);
      if (part.case !== 'face') continue;
      const { value } = await next.next();
      const frame = await compose(plan, part.value, value);
      tally.frameCount += 1;
      if (value.shot.interpolated) tally.interpolatedCount += 1;
      yield frame;
    }
  } finally {
    plan.metrics?.add('talkmesh_active_streams', labels, -1);
    stop.abort(new DOMException('the render has ended', 'AbortError'));
    await next.return?.();
  }
}

/**
 * The denoiser's input: the header with the reference face, taken from the first frame of the source, then the
 * conditions of each frame. What a frame shares with the one before is left out, so that a photograph is sent,
 * and encoded, once. Each frame is queued as awaited first: when the queue is full the denoiser gets no more.
 */
async function* conditions(
  plan: RenderPlan,
  frames: AsyncIterable<readonly [VoiceFrame, Shot]>,
  awaited: Channel<Awaited>,
): AsyncGenerator<MessageInitShape<typeof DenoiseRequestSchema>> {
  const ownReference = plan.recipe.referenceMode === ReferenceMode.SOURCE;
  let sent: Shot | undefined;
  for await (const [voice, shot] of frames) {
    if (voice.frameIndex === 0) yield { part: { case: 'header', value: header(plan, shot) } };
    if (voice.frameIndex < plan.firstFrameIndex) continue;
    if (!(await awaited.push({ voice, shot }))) return;
    const changed = shot !== sent;
    sent = shot;
    const frame = {
      frameIndex: BigInt(voice.frameIndex),
      featureWindow: voice.featureWindow,
      visibleLandmarks: changed ? shot.visibleLandmarks : undefined,
      maskedRegion: changed ? shot.maskedRegion : undefined,
      referenceRegion: changed && ownReference ? shot.originalRegion : undefined,
    };
    yield { part: { case: 'frame', value: frame } };
  }
}

function header({ recipe, streamClass }: RenderPlan, reference: Shot) {
  return {
    bundle: recipe.bundle,
    referenceRegion: reference.originalRegion,
    inferenceStepCount: recipe.inferenceStepCount,
    seed: recipe.seed,
    guidanceScale: recipe.guidanceScale,
    referenceMode: recipe.referenceMode,
    streamClass,
  };
}

/** The finished frame: the generated region blended into the source frame, and marked. */
async function compose(
  plan: RenderPlan,
  face: GeneratedFace,
  { voice, shot }: Awaited,
): Promise<ComposedFrame> {
  if (Number(face.frameIndex) !== voice.frameIndex || face.region === undefined) {
    throw new Fault(
      'internal',
      'FACE_OUT_OF_ORDER',
      `the denoiser sent frame ${face.frameIndex} where frame ${voice.frameIndex} was due`,
    );
  }
  const startedAtMs = performance.now();
  const picture = blendFace(shot, face.region);
  await plan.visibleMark?.draw(picture);
  plan.metrics?.observe('talkmesh_stage_seconds', STAGE, (performance.now() - startedAtMs) / 1000);
  plan.metrics?.count('talkmesh_frames_total', STAGE);
  return { frameIndex: voice.frameIndex, picture, voiceActivity: voice.voiceActivity };
}
