/** A live stream: speech in as it is spoken, fragments of video out as they are made. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LiveInput, LiveOutputSchema } from '#gen/talkmesh/live/v1/live_pb.ts';
import { LiveEventKind } from '#gen/talkmesh/live/v1/live_pb.ts';
import { SoundEncoding, type SoundFormat } from '#gen/talkmesh/media/v1/media_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import { type Channel, channel } from '#lib/flow/channel.ts';
import { type LiveEncoder, type SoundLayout, startLiveEncoder } from '#lib/media/live-encoder.ts';
import { toDuration } from '#lib/rpc/duration.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { type ComposedFrame, type RenderPlan, type RenderStages, renderFrames } from './render.ts';
import type { RenderTally } from './tally.ts';
import type { Voice } from './voice.ts';
import { createVoiceBuffer, type VoiceBuffer } from './voice-buffer.ts';

export interface LiveSettings {
  /** Speech that may wait to be spoken, such as a sentence that a synthesizer delivers at once. */
  readonly maxPendingVoiceMs: number;
  readonly fragmentMs: number;
}

export interface LivePlan extends Omit<RenderPlan, 'voice' | 'firstFrameIndex'> {
  readonly voiceFormat: SoundLayout;
}

export type LiveMessage = MessageInitShape<typeof LiveOutputSchema>;

const OUTPUTS_AHEAD = 4;
const SPEAKING = 0.5;

/** The layout of live speech. @throws Fault invalid VOICE_FORMAT_UNSUPPORTED. */
export function liveVoiceFormat(format: SoundFormat | undefined): SoundLayout {
  const encoding = format?.encoding ?? SoundEncoding.UNSPECIFIED;
  if (encoding !== SoundEncoding.PCM_S16LE && encoding !== SoundEncoding.PCM_F32LE) {
    throw invalidField(
      'VOICE_FORMAT_UNSUPPORTED',
      'voiceFormat.encoding',
      'live speech is PCM; send SOUND_ENCODING_PCM_S16LE or SOUND_ENCODING_PCM_F32LE',
    );
  }
  return {
    encoding: encoding === SoundEncoding.PCM_S16LE ? 's16le' : 'f32le',
    sampleRateHz: format!.sampleRateHz,
    channelCount: format!.channelCount || 1,
  };
}

/** Yields what a viewer needs: the terms, then fragments and events in order. */
export async function* renderLive(
  plan: LivePlan,
  inputs: AsyncIterable<LiveInput>,
  stages: RenderStages,
  settings: LiveSettings,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<LiveMessage> {
  const stop = new AbortController();
  const scope = AbortSignal.any([signal, stop.signal]);
  const outputs = channel<LiveMessage>(OUTPUTS_AHEAD);
  const buffer = createVoiceBuffer(
    Math.ceil((bytesPerSecond(plan.voiceFormat) * settings.maxPendingVoiceMs) / 1000),
  );
  const voice = liveVoice(plan, buffer);
  const frames = renderFrames({ ...plan, voice, firstFrameIndex: 0 }, stages, tally, scope);
  const fail = (error: unknown): void => {
    outputs.fail(error);
    stop.abort(error);
  };
  const watch = createFirstFragmentWatch(plan.metrics);
  receive(inputs, buffer, outputs, tally, watch).catch(fail);
  produce(plan, frames, buffer, settings, outputs, tally, watch, scope).then(() => outputs.close(), fail);
  try {
    yield* outputs;
  } finally {
    buffer.close();
    stop.abort(new DOMException('the live stream has ended', 'AbortError'));
  }
}

async function* liveVoice({ recipe, voiceFormat }: LivePlan, buffer: VoiceBuffer): Voice {
  const { sampleRateHz, channelCount } = voiceFormat;
  const encoding = voiceFormat.encoding === 's16le' ? SoundEncoding.PCM_S16LE : SoundEncoding.PCM_F32LE;
  const format = { encoding, sampleRateHz, channelCount };
  yield {
    part: { case: 'header', value: { bundle: recipe.bundle, voice: { case: 'format', value: format } } },
  };
  for await (const chunk of buffer) yield { part: { case: 'chunk', value: chunk } };
}

/** Takes in what the caller sends: speech to the buffer, barge-in at once. */
async function receive(
  inputs: AsyncIterable<LiveInput>,
  buffer: VoiceBuffer,
  outputs: Channel<LiveMessage>,
  tally: RenderTally,
  watch: FirstFragmentWatch,
): Promise<void> {
  for await (const { input } of inputs) {
    if (input.case === 'voice') watch.heard();
    if (input.case === 'voice' && !(await buffer.push(input.value))) return;
    if (input.case === 'clear' && input.value) {
      buffer.clear();
      if (!(await outputs.push(event(LiveEventKind.CLEARED, tally.frameCount)))) return;
    }
  }
  buffer.close();
}

/** Encodes the frames with the speech that they show, and passes fragments on as the encoder makes them. */
async function produce(
  plan: LivePlan,
  frames: AsyncIterable<ComposedFrame>,
  buffer: VoiceBuffer,
  settings: LiveSettings,
  outputs: Channel<LiveMessage>,
  tally: RenderTally,
  watch: FirstFragmentWatch,
  signal: AbortSignal,
): Promise<void> {
  let encoder: LiveEncoder | undefined;
  let forwarded: Promise<void> = Promise.resolve();
  let speaking = false;
  try {
    for await (const { frameIndex, picture, voiceActivity } of frames) {
      if (encoder === undefined) {
        const { width, height } = picture;
        await outputs.push(started(plan, width, height, tally.lookAheadMs));
        encoder = await startEncoder(plan, width, height, settings, signal);
        forwarded = forward(encoder, outputs, watch);
        // Awaited below; a failure in between ends the encoder, and its write tells.
        forwarded.catch(() => undefined);
      }
      if (voiceActivity >= SPEAKING !== speaking) {
        speaking = !speaking;
        const kind = speaking ? LiveEventKind.SPEECH_STARTED : LiveEventKind.SPEECH_FINISHED;
        await outputs.push(event(kind, frameIndex));
      }
      await encoder.write(picture.data, buffer.takeHeard(frameBytes(plan, frameIndex)));
    }
    await encoder?.finish();
    await forwarded;
  } finally {
    await encoder?.discard();
  }
}

interface FirstFragmentWatch {
  heard(): void;
  shown(): void;
}

/** Measures, once, how long a caller waits from the first speech to the first fragment. */
function createFirstFragmentWatch(metrics: Metrics | undefined): FirstFragmentWatch {
  let heardAtMs: number | undefined;
  let measured = false;
  return {
    heard() {
      heardAtMs ??= performance.now();
    },
    shown() {
      if (measured || heardAtMs === undefined) return;
      measured = true;
      metrics?.observe('talkmesh_live_first_fragment_seconds', {}, (performance.now() - heardAtMs) / 1000);
    },
  };
}

function startEncoder(
  plan: LivePlan,
  width: number,
  height: number,
  settings: LiveSettings,
  signal: AbortSignal,
) {
  return startLiveEncoder({
    format: { width, height, frameRate: plan.recipe.generatedFrameRate },
    soundFormat: plan.voiceFormat,
    constantRateFactor: plan.recipe.constantRateFactor,
    fragmentMs: settings.fragmentMs,
    tools: plan.tools,
    signal,
  });
}

async function forward(
  encoder: LiveEncoder,
  outputs: Channel<LiveMessage>,
  watch: FirstFragmentWatch,
): Promise<void> {
  let firstFrameIndex = 0;
  for await (const { data, frameCount } of encoder.fragments) {
    if (frameCount > 0) watch.shown();
    const fragment = { data, frameCount, firstFrameIndex: BigInt(frameCount === 0 ? -1 : firstFrameIndex) };
    firstFrameIndex += frameCount;
    if (!(await outputs.push({ output: { case: 'fragment', value: fragment } }))) return;
  }
}

function started({ recipe }: LivePlan, width: number, height: number, lookAheadMs: number): LiveMessage {
  const terms = {
    frameRate: recipe.generatedFrameRate,
    // 4:2:0 video has even edges.
    width: width & ~1,
    height: height & ~1,
    lookAhead: toDuration(lookAheadMs),
  };
  return { output: { case: 'started', value: terms } };
}

function event(kind: LiveEventKind, frameIndex: number): LiveMessage {
  return { output: { case: 'event', value: { kind, frameIndex: BigInt(frameIndex) } } };
}

/** Bytes of the whole samples that begin within a frame. */
function frameBytes({ recipe, voiceFormat }: LivePlan, frameIndex: number): number {
  const { numerator, denominator } = recipe.generatedFrameRate;
  const sampleAt = (frame: number): number =>
    Math.floor((frame * voiceFormat.sampleRateHz * denominator) / numerator);
  return (sampleAt(frameIndex + 1) - sampleAt(frameIndex)) * sampleBytes(voiceFormat);
}

function bytesPerSecond(format: SoundLayout): number {
  return format.sampleRateHz * sampleBytes(format);
}

function sampleBytes({ encoding, channelCount }: SoundLayout): number {
  return (encoding === 's16le' ? 2 : 4) * channelCount;
}
