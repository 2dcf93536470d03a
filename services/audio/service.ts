/** AudioService: the RPC surface. What is done is in encode.ts. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  AudioService,
  EncodeRequest,
  EncodeResponseSchema,
} from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { release } from '#lib/flow/release.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { AudioRecipe } from '#lib/inference/manifest.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import type { AssetSource } from '#lib/media/assets.ts';
import { resamplerReachS } from '#lib/media/resample.ts';
import { decodePcm, decodeSoundContainer, decodeSoundFile, type SoundOptions } from '#lib/media/sound.ts';
import { toDuration } from '#lib/rpc/duration.ts';
import type { ServiceImpl } from '#lib/rpc/service-types.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { tensorToProto } from '#lib/tensor/proto.ts';
import { float32Tensor } from '#lib/tensor/tensor.ts';
import type { AudioConfig } from './config.ts';
import { encodeVoice, type VoiceWindow } from './encode.ts';
import { createFeatureGraph } from './feature-graph.ts';
import { createFrameClock } from './frame-clock.ts';
import {
  bundleOfHeader,
  frameRateOfHeader,
  readChunks,
  readHeader,
  type VoiceOrigin,
  voiceOfHeader,
} from './request.ts';
import { createSpeechFrames } from './speech-frames.ts';

export interface AudioDeps {
  readonly catalog: Catalog;
  readonly runtime: InferenceRuntime;
  readonly assets: AssetSource;
  readonly metrics?: Metrics;
}

type EncodeResponseInit = MessageInitShape<typeof EncodeResponseSchema>;

const STAGE = { stage: 'audio' } as const;

/** The service, without ports: `lib/rpc` binds it. */
export function createAudioService(
  config: AudioConfig,
  { catalog, runtime, assets, metrics }: AudioDeps,
): ServiceImpl<typeof AudioService> {
  return {
    async *encode(requests, { signal }): AsyncGenerator<EncodeResponseInit> {
      const messages = requests[Symbol.asyncIterator]();
      try {
        const header = await readHeader(messages, signal);
        const bundle = bundleOfHeader(catalog, header.bundle);
        const { audio, fps } = bundle.manifest;
        const frameRate = frameRateOfHeader(header, fps);
        const voice = voiceOfHeader(header);
        const graph = await runtime.open(bundle, 'audio_features');
        const features = createFeatureGraph(graph, audio, config.maxBatch);
        const clock = createFrameClock(audio, frameRate);
        const rows = audio.window.left + 1 + audio.window.right;
        const windowShape = [rows, audio.features];
        const lookAhead = toDuration(
          1000 * (clock.lookAheadSamples / audio.sampleRateHz + reachS(voice, audio)),
        );
        const labels = { ...STAGE, class: voice.from === 'samples' ? 'live' : 'batch' };
        metrics?.add('talkmesh_active_streams', labels, 1);
        try {
          yield {
            part: { case: 'started', value: { frameRate, windowShape: windowShape.map(BigInt), lookAhead } },
          };
          const pieces = openVoice(voice, messages, audio.sampleRateHz, signal);
          const speech = createSpeechFrames(audio, clock, config.voiceActivity);
          let windowCount = 0n;
          let startedMs = performance.now();
          for await (const window of encodeVoice(pieces, speech, audio, features, signal)) {
            windowCount++;
            metrics?.count('talkmesh_frames_total', STAGE);
            metrics?.observe('talkmesh_stage_seconds', STAGE, (performance.now() - startedMs) / 1000);
            yield { part: { case: 'window', value: windowMessage(window, windowShape) } };
            startedMs = performance.now();
          }
          const duration = toDuration((speech.sampleCount / audio.sampleRateHz) * 1000);
          const inferenceTime = toDuration(features.inferenceMs());
          yield { part: { case: 'summary', value: { windowCount, duration, inferenceTime } } };
        } finally {
          metrics?.add('talkmesh_active_streams', labels, -1);
        }
      } finally {
        void release(messages, 'the end of a voice');
      }
    },
  };

  /** The voice as mono samples; everything that it holds open is closed when it ends. */
  async function* openVoice(
    voice: VoiceOrigin,
    messages: AsyncIterator<EncodeRequest>,
    sampleRateHz: number,
    signal: AbortSignal,
  ): AsyncGenerator<Float32Array> {
    const { media: limits, tools, tempFolder, maxContainerBytes } = config;
    const options: SoundOptions = { sampleRateHz, signal, limits, tools, tempFolder, maxContainerBytes };
    if (voice.from === 'samples') yield* decodePcm(readChunks(messages, signal), voice.format, options);
    if (voice.from === 'container') yield* decodeSoundContainer(readChunks(messages, signal), options);
    if (voice.from !== 'asset') return;
    const asset = await assets.open(voice.assetId, signal);
    try {
      yield* decodeSoundFile(asset.path, options);
    } finally {
      await asset.close();
    }
  }
}

/** What the resampler adds to the look-ahead of live samples. */
function reachS(voice: VoiceOrigin, { sampleRateHz }: AudioRecipe): number {
  return voice.from === 'samples' ? resamplerReachS(voice.format.sampleRateHz, sampleRateHz) : 0;
}

function windowMessage({ frameIndex, features, voiceActivity }: VoiceWindow, shape: readonly number[]) {
  return {
    frameIndex: BigInt(frameIndex),
    features: tensorToProto(float32Tensor(shape, features)),
    voiceActivity,
  };
}
