/** The voice of a render: from AudioService's stream to one feature window for each frame. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AudioService, EncodeRequestSchema } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import type { Tensor } from '#gen/talkmesh/media/v1/media_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import type { RenderTally } from './tally.ts';

/** What is sent to AudioService: the header, and chunks unless the header names an asset. */
export type Voice = AsyncIterable<MessageInitShape<typeof EncodeRequestSchema>>;

/** The voice of one frame. */
export interface VoiceFrame {
  readonly frameIndex: number;
  /** float32 [window, features]. */
  readonly featureWindow: Tensor;
  /** Whether somebody speaks, 0 to 1. */
  readonly voiceActivity: number;
}

/** A stored voice. It can be sent as often as a clip has to go on after a stage was lost. */
export function storedVoice(bundle: string, assetId: string): Voice {
  return {
    async *[Symbol.asyncIterator]() {
      yield { part: { case: 'header', value: { bundle, voice: { case: 'assetId', value: assetId } } } };
    },
  };
}

/** Yields the voice of each frame, from 0 on. */
export async function* featureWindows(
  voice: Voice,
  audio: ServiceClient<typeof AudioService>,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<VoiceFrame> {
  for await (const { part } of audio.encode(voice, { signal })) {
    if (part.case === 'started') tally.lookAheadMs = durationMs(part.value.lookAhead);
    if (part.case === 'summary') tally.inferenceMs += durationMs(part.value.inferenceTime);
    if (part.case !== 'window') continue;
    const { frameIndex, features, voiceActivity } = part.value;
    if (features === undefined) {
      throw new Fault(
        'internal',
        'WINDOW_WITHOUT_FEATURES',
        'the audio service sent a window without features',
      );
    }
    yield { frameIndex: Number(frameIndex), featureWindow: features, voiceActivity };
  }
}
