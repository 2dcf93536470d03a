/** AudioService over the untrained bundle `tiny`, with real ONNX and real ffmpeg, as a client sees it. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AudioService,
  type EncodeRequestSchema,
  type EncodeResponse,
} from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { SoundEncoding } from '#gen/talkmesh/media/v1/media_pb.ts';
import { openCatalog } from '#lib/inference/catalog.ts';
import { createInferenceRuntime } from '#lib/inference/runtime.ts';
import { createLocalAssets } from '#lib/media/assets.ts';
import { collect, createTestFolder, type TestFolder, wavSamples } from '#lib/media/test-media.ts';
import { local } from '#lib/rpc/local.ts';
import type { CallOptions, ServiceClient } from '#lib/rpc/service-types.ts';
import { type AudioConfig, DEFAULT_AUDIO_CONFIG } from '../config.ts';
import { createAudioService } from '../service.ts';
import { digestOf } from './golden.ts';

export type EncodeRequestInit = MessageInitShape<typeof EncodeRequestSchema>;
export type HeaderInit = Extract<NonNullable<EncodeRequestInit['part']>, { case: 'header' }>['value'];

const BUNDLES = fileURLToPath(new URL('../../../test/bundles', import.meta.url));
/** Speech of 7 s, 16 kHz mono. */
export const SPEECH = fileURLToPath(new URL('../../../demo/speech.wav', import.meta.url));

export interface TestService {
  readonly folder: TestFolder;
  readonly client: ServiceClient<typeof AudioService>;
  /** A client of a service of another configuration. */
  connect(config: Partial<AudioConfig>): ServiceClient<typeof AudioService>;
  /** The asset and the samples of `SPEECH`. */
  readonly speechId: string;
  readonly samples: Uint8Array;
  /** The asset of a local file, or of a new file of this content. */
  register(path: string, content?: string | Uint8Array): Promise<string>;
  /** Assets that the service holds open. */
  openAssets(): number;
  /** Rows of each run of audio_features so far. */
  readonly batches: readonly number[];
  close(): Promise<void>;
}

export async function startTestService(): Promise<TestService> {
  const folder = await createTestFolder();
  const catalog = await openCatalog({ folders: [BUNDLES], defaultBundle: 'tiny' });
  const batches: number[] = [];
  const onRun = ({ batchSize }: { batchSize: number }) => void batches.push(batchSize);
  const runtime = await createInferenceRuntime({ provider: 'cpu', threadCount: 1 }, { onRun });
  const assets = createLocalAssets();
  let openAssets = 0;
  const counted = {
    open: async (id: string, signal: AbortSignal) => {
      const asset = await assets.open(id, signal);
      openAssets++;
      return { ...asset, close: () => Promise.resolve(openAssets--).then(() => asset.close()) };
    },
  };
  const connect = (config: Partial<AudioConfig>) => {
    const whole = { ...DEFAULT_AUDIO_CONFIG, tempFolder: folder.path, ...config };
    return local(AudioService, createAudioService(whole, { catalog, runtime, assets: counted }), {
      roundTrip: true,
    });
  };
  return {
    folder,
    client: connect({}),
    connect,
    speechId: await assets.register(SPEECH),
    samples: await wavSamples(SPEECH),
    register: async (path, content) => {
      if (content !== undefined) await writeFile(path, content);
      return assets.register(path);
    },
    openAssets: () => openAssets,
    batches,
    close: async () => {
      await runtime.close();
      await folder.remove();
    },
  };
}

export const PCM_16K = formatHeader({});
export const CONTAINER = formatHeader({ encoding: SoundEncoding.CONTAINER });

export function formatHeader(
  more: Partial<{ encoding: SoundEncoding; sampleRateHz: number; channelCount: number }>,
) {
  const value = { encoding: SoundEncoding.PCM_S16LE, sampleRateHz: 16_000, channelCount: 1, ...more };
  return { bundle: 'tiny', voice: { case: 'format', value } } as const satisfies HeaderInit;
}

export function assetHeader(assetId: string): HeaderInit {
  return { bundle: 'tiny', voice: { case: 'assetId', value: assetId } };
}

export async function* requestsOf(
  header: HeaderInit,
  chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[] = [],
): AsyncGenerator<EncodeRequestInit> {
  yield { part: { case: 'header', value: header } };
  for await (const chunk of chunks) yield { part: { case: 'chunk', value: chunk } };
}

/** Everything that the service answers. */
export function encodeAll(
  client: ServiceClient<typeof AudioService>,
  header: HeaderInit,
  chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[] = [],
  options: CallOptions = {},
): Promise<EncodeResponse[]> {
  return collect(client.encode(requestsOf(header, chunks), options));
}

export function windowsOf(responses: readonly EncodeResponse[]) {
  return responses.flatMap(({ part }) => (part.case === 'window' ? [part.value] : []));
}

/** A digest of all windows and their activity. */
export function digestWindows(responses: readonly EncodeResponse[]): string {
  return digestOf(
    windowsOf(responses).flatMap(({ features, voiceActivity }) => [
      features!.data,
      Float32Array.of(voiceActivity),
    ]),
  );
}
