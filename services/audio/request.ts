/** Requests, checked: what a caller may ask of this service, and the faults when it asks for something else. */
import type { EncodeHeader, EncodeRequest } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { SoundEncoding, type SoundFormat } from '#gen/talkmesh/media/v1/media_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { PcmFormat } from '#lib/media/pcm.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';

const MIN_RATE_HZ = 8_000;
const MAX_RATE_HZ = 192_000;
const MAX_CHANNELS = 8;

/** Where the voice comes from. */
export type VoiceOrigin =
  | { readonly from: 'asset'; readonly assetId: string }
  | { readonly from: 'samples'; readonly format: PcmFormat }
  | { readonly from: 'container' };

/** @throws Fault invalid HEADER_MISSING */
export async function readHeader(
  requests: AsyncIterator<EncodeRequest>,
  signal: AbortSignal,
): Promise<EncodeHeader> {
  const first = await raceAbort(requests.next(), signal);
  if (first.done || first.value.part.case !== 'header') {
    throw invalidField(
      'HEADER_MISSING',
      'header',
      'must be the first message; send the terms before any chunk',
    );
  }
  return first.value.part.value;
}

/** The pieces that follow the header. @throws Fault invalid HEADER_REPEATED, PART_MISSING */
export async function* readChunks(
  requests: AsyncIterator<EncodeRequest>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = await raceAbort(requests.next(), signal);
    if (done) return;
    if (value.part.case === 'header') {
      throw invalidField('HEADER_REPEATED', 'header', 'came twice; start another stream for another voice');
    }
    if (value.part.case !== 'chunk') {
      throw invalidField('PART_MISSING', 'part', 'a message holds neither a header nor a chunk');
    }
    yield value.part.value;
  }
}

/** @throws Fault invalid BUNDLE_REQUIRED, missing BUNDLE_UNKNOWN */
export function bundleOfHeader(catalog: Catalog, name: string): Bundle {
  if (name === '') {
    throw invalidField('BUNDLE_REQUIRED', 'header.bundle', 'is required; ListBundles names the bundles');
  }
  return catalog.get(name);
}

/** The bundle's rate. @throws Fault invalid FRAME_RATE_UNSUPPORTED when the caller asks for another */
export function frameRateOfHeader({ frameRate }: EncodeHeader, ofBundle: FrameRate): FrameRate {
  const numerator = frameRate?.numerator ?? 0;
  if (numerator === 0) return ofBundle;
  const denominator = frameRate?.denominator || 1;
  if (numerator * ofBundle.denominator !== ofBundle.numerator * denominator) {
    const rate = `${ofBundle.numerator}/${ofBundle.denominator}`;
    throw invalidField(
      'FRAME_RATE_UNSUPPORTED',
      'header.frameRate',
      `is ${numerator}/${denominator}; the bundle was trained at ${rate}; leave it out, and interpolate the video`,
    );
  }
  return ofBundle;
}

/** @throws Fault invalid VOICE_MISSING, SOUND_ENCODING_UNSUPPORTED, SOUND_RATE_UNSUPPORTED, SOUND_CHANNELS_UNSUPPORTED */
export function voiceOfHeader({ voice }: EncodeHeader): VoiceOrigin {
  if (voice.case === 'assetId') return { from: 'asset', assetId: voice.value };
  if (voice.case === 'format') return originOfFormat(voice.value);
  throw invalidField('VOICE_MISSING', 'header.voice', 'is required: the format of the chunks, or an asset');
}

function originOfFormat({ encoding, sampleRateHz, channelCount }: SoundFormat): VoiceOrigin {
  if (encoding === SoundEncoding.CONTAINER) return { from: 'container' };
  const pcm = PCM_ENCODINGS.get(encoding);
  if (pcm === undefined) {
    throw invalidField(
      'SOUND_ENCODING_UNSUPPORTED',
      'header.format.encoding',
      `is ${encoding}; send SOUND_ENCODING_PCM_S16LE, SOUND_ENCODING_PCM_F32LE or SOUND_ENCODING_CONTAINER`,
    );
  }
  if (sampleRateHz < MIN_RATE_HZ || sampleRateHz > MAX_RATE_HZ) {
    throw invalidField(
      'SOUND_RATE_UNSUPPORTED',
      'header.format.sampleRateHz',
      `is ${sampleRateHz}; it must be ${MIN_RATE_HZ} to ${MAX_RATE_HZ} Hz`,
    );
  }
  const channels = channelCount === 0 ? 1 : channelCount;
  if (channels < 1 || channels > MAX_CHANNELS) {
    throw invalidField(
      'SOUND_CHANNELS_UNSUPPORTED',
      'header.format.channelCount',
      `is ${channelCount}; it must be 1 to ${MAX_CHANNELS}, or 0 for 1`,
    );
  }
  return { from: 'samples', format: { encoding: pcm, sampleRateHz, channelCount: channels } };
}

const PCM_ENCODINGS = new Map<SoundEncoding, PcmFormat['encoding']>([
  [SoundEncoding.PCM_S16LE, 's16le'],
  [SoundEncoding.PCM_F32LE, 'f32le'],
]);
