/** Any voice as mono samples at one rate. */
import { tmpdir } from 'node:os';
import { startFfmpeg } from './ffmpeg-process.ts';
import { mediaFault, readFault, saysTruncated, truncatedFault } from './media-fault.ts';
import { DEFAULT_TOOLS, INPUT_OPTIONS, inputUrl } from './media-input.ts';
import { createPcmReader, type PcmFormat, SAMPLE_BYTES } from './pcm.ts';
import { DEFAULT_LIMITS, type MediaInfo, type MediaOptions, probeMedia, tooLongFault } from './probe.ts';
import { createResampler } from './resample.ts';
import { spoolToFile } from './spool.ts';

export interface SoundOptions extends MediaOptions {
  /** The rate of the result. */
  readonly sampleRateHz: number;
  /** Where a container that comes in pieces is kept meanwhile. Default: the system's folder. */
  readonly tempFolder?: string | undefined;
  /** Bytes of a container that comes in pieces. Default 1 GiB. */
  readonly maxContainerBytes?: number | undefined;
}

const DEFAULT_CONTAINER_BYTES = 1024 ** 3;
/** Sound that is worked on at a time: long pieces would keep the event loop waiting. */
const PIECE_S = 0.25;
const MIN_RATE_HZ = 1_000;
const MAX_RATE_HZ = 768_000;
/** Containers that give no exact duration, or that may rightly end anywhere. */
const OPEN_ENDED = /\b(mp3|aac|ogg|amr|mpegts|avi)\b/;

/**
 * A file's first sound track as mono samples at `sampleRateHz`, from 0 s of the file on: gaps and a late start
 * are silence. Faults: those of `probeMedia`, MEDIA_NO_SOUND, SOUND_EMPTY, SOUND_RATE_UNSUPPORTED, FFMPEG_KILLED.
 */
export async function* decodeSoundFile(path: string, options: SoundOptions): AsyncGenerator<Float32Array> {
  const field = options.field ?? 'voice';
  const tools = options.tools ?? DEFAULT_TOOLS;
  const info = await probeMedia(path, { ...options, field });
  if (!info.hasSound)
    throw mediaFault('MEDIA_NO_SOUND', field, 'the file holds no sound; send one with speech');
  if (info.soundRateHz < MIN_RATE_HZ || info.soundRateHz > MAX_RATE_HZ) {
    const description = `${info.soundRateHz} Hz is outside ${MIN_RATE_HZ} to ${MAX_RATE_HZ} Hz; resample it`;
    throw mediaFault('SOUND_RATE_UNSUPPORTED', field, description);
  }
  const format: PcmFormat = {
    encoding: 'f32le',
    sampleRateHz: info.soundRateHz,
    channelCount: info.soundChannels,
  };
  const decoder = startFfmpeg({
    inputs: [{ source: inputUrl(path), options: INPUT_OPTIONS }],
    outputs: [{ target: 'pipe', options: nativeSamples(info) }],
    tools,
    signal: options.signal,
    fault: (failure) => readFault(failure, tools, field),
  });
  let samples = 0;
  try {
    for await (const piece of decodePcm(decoder.output, format, { ...options, field })) {
      samples += piece.length;
      yield piece;
    }
    const { stderr } = await decoder.done;
    if (saysTruncated(stderr) || endsEarly(info, samples / options.sampleRateHz)) {
      throw truncatedFault(field, new Error(stderr));
    }
  } finally {
    await decoder.stop();
  }
}

/**
 * Raw samples that come in pieces of any size, as mono at `sampleRateHz`: the samples that `decodeSoundFile` gives
 * for a WAV file of the same content, bit for bit, each as soon as the resampler's reach (4 ms at 16 kHz; none at
 * equal rates) allows. Faults: SOUND_EMPTY, MEDIA_TRUNCATED, MEDIA_TOO_LONG, SOUND_NOT_FINITE.
 */
export async function* decodePcm(
  pieces: AsyncIterable<Uint8Array>,
  format: PcmFormat,
  options: SoundOptions,
): AsyncGenerator<Float32Array> {
  const field = options.field ?? 'voice';
  const maxDurationS = options.limits?.maxDurationS ?? DEFAULT_LIMITS.maxDurationS;
  const reader = createPcmReader(format, field);
  const resampler = createResampler(format.sampleRateHz, options.sampleRateHz);
  let received = 0;
  const pieceBytes =
    Math.ceil(format.sampleRateHz * PIECE_S) * format.channelCount * SAMPLE_BYTES[format.encoding];
  for await (const bytes of cutLong(pieces, pieceBytes)) {
    const mono = reader.push(bytes);
    received += mono.length;
    const durationS = received / format.sampleRateHz;
    if (durationS > maxDurationS) throw tooLongFault(durationS, maxDurationS, field);
    const ready = resampler.push(mono);
    if (ready.length > 0) yield ready;
  }
  reader.end();
  if (received === 0) throw mediaFault('SOUND_EMPTY', field, 'the sound has no samples; send speech');
  const last = resampler.flush();
  if (last.length > 0) yield last;
}

async function* cutLong(pieces: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    for (let start = 0; start < piece.length; start += maxBytes)
      yield piece.subarray(start, start + maxBytes);
  }
}

/** A whole file of any container in pieces: kept on disk until it is complete, since an mp4 may end with its index. */
export async function* decodeSoundContainer(
  pieces: AsyncIterable<Uint8Array>,
  options: SoundOptions,
): AsyncGenerator<Float32Array> {
  const maxBytes = options.maxContainerBytes ?? DEFAULT_CONTAINER_BYTES;
  const field = options.field ?? 'voice';
  const spooled = await spoolToFile(pieces, { folder: options.tempFolder ?? tmpdir(), maxBytes, field });
  try {
    yield* decodeSoundFile(spooled.path, options);
  } finally {
    await spooled.remove();
  }
}

/** Samples as they are coded; gaps are filled, and nothing is stretched. */
function nativeSamples(info: MediaInfo): string[] {
  return [
    ...['-map', `0:${info.soundStream}`, '-af', 'aresample=async=1:first_pts=0'],
    ...[
      '-ar',
      String(info.soundRateHz),
      '-ac',
      String(info.soundChannels),
      '-c:a',
      'pcm_f32le',
      '-f',
      'f32le',
    ],
  ];
}

function endsEarly({ kind, container, durationS }: MediaInfo, decodedS: number): boolean {
  if (kind !== 'sound' || durationS === undefined || OPEN_ENDED.test(container)) return false;
  return decodedS < durationS - Math.max(0.5, durationS * 0.02);
}
