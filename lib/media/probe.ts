/** What a file is, before anything of it is decoded, and whether it is small enough. */
import { open, stat } from 'node:fs/promises';
import { Fault } from '#lib/fault/fault.ts';
import { type ProbedFile, type ProbedStream, runFfprobe } from './ffprobe.ts';
import {
  mediaFault,
  readFault,
  saysTruncated,
  type ToolFailure,
  truncatedFault,
  unreadableFault,
} from './media-fault.ts';
import { DEFAULT_TOOLS, type FfmpegTools } from './media-input.ts';
import { probePhotograph, sniffPhotograph, tooLargeFault } from './photograph.ts';
import type { FrameRate } from './rgb-frame.ts';

export interface MediaLimits {
  /** Width times height of a picture, as shown. Default 4096 x 4096. */
  readonly maxPixels: number;
  /** Seconds. Default 7200. */
  readonly maxDurationS: number;
  /** Time for the examination of one file. Default 60,000. */
  readonly probeTimeoutMs: number;
}

export const DEFAULT_LIMITS: MediaLimits = {
  maxPixels: 4096 * 4096,
  maxDurationS: 7200,
  probeTimeoutMs: 60_000,
};

/** What every reader of media takes. */
export interface MediaOptions {
  readonly signal?: AbortSignal | undefined;
  readonly limits?: Partial<MediaLimits> | undefined;
  readonly tools?: FfmpegTools | undefined;
  /** How faults name the file: the field of the caller's request. Default 'source'. */
  readonly field?: string | undefined;
}

export interface MediaInfo {
  readonly kind: 'photograph' | 'video' | 'sound';
  /** The format of the photograph, or ffmpeg's names for the container. */
  readonly container: string;
  readonly hasVideo: boolean;
  readonly hasSound: boolean;
  /** Pixels as shown: rotated, and with square pixels. 0 without a picture. */
  readonly width: number;
  readonly height: number;
  /** The average rate that the file declares; undefined for photographs and sound. */
  readonly frameRate?: FrameRate | undefined;
  /** Seconds that the file declares; undefined for photographs and where the file does not say. */
  readonly durationS?: number | undefined;
  /** 0 without sound. */
  readonly soundChannels: number;
  readonly soundRateHz: number;
  /** Indices of the chosen streams in the container; cover pictures do not count. -1 without one. */
  readonly videoStream: number;
  readonly soundStream: number;
  /** YUV to RGB: what the file says, else BT.709 from 720 lines on and BT.601 below, as players assume. */
  readonly colourMatrix: ColourMatrix;
  /** True for PQ and HLG pictures, which are brought down to standard range. */
  readonly highDynamicRange: boolean;
}

export type ColourMatrix = 'bt709' | 'bt601' | 'bt2020' | 'rgb';

/**
 * Examines a local file by its content, whatever its name. Faults: MEDIA_EMPTY, MEDIA_UNREADABLE,
 * MEDIA_TRUNCATED, MEDIA_FORMAT_REFUSED, SOURCE_TOO_LARGE, MEDIA_TOO_LONG, MEDIA_PROBE_SLOW, FFMPEG_MISSING.
 */
export async function probeMedia(path: string, options: MediaOptions = {}): Promise<MediaInfo> {
  const field = options.field ?? 'source';
  const tools = options.tools ?? DEFAULT_TOOLS;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  await refuseEmpty(path, field);
  const photograph = await sniffPhotograph(path, field);
  if (photograph !== undefined) {
    const { width, height } = await probePhotograph(path, photograph, limits.maxPixels, field);
    return {
      ...SILENT,
      kind: 'photograph',
      container: photograph,
      hasVideo: true,
      width,
      height,
      ...PLAIN_COLOUR,
      videoStream: 0,
    };
  }
  const head = await readHead(path);
  const fault = (failure: ToolFailure): Fault =>
    missingIndexFault(failure, head, field) ?? readFault(failure, tools, field);
  const { file, stderr } = await runFfprobe(path, {
    tools,
    timeoutMs: limits.probeTimeoutMs,
    signal: options.signal,
    fault,
  });
  const info = describe(file, field);
  if (info.width * info.height > limits.maxPixels) {
    throw tooLargeFault(info.width, info.height, limits.maxPixels, field);
  }
  if (info.durationS !== undefined && info.durationS > limits.maxDurationS) {
    throw tooLongFault(info.durationS, limits.maxDurationS, field);
  }
  if (saysTruncated(stderr) || (await wavEndsEarly(path, head)))
    throw truncatedFault(field, new Error(stderr));
  return info;
}

export function tooLongFault(durationS: number, maxDurationS: number, field: string): Fault {
  return mediaFault(
    'MEDIA_TOO_LONG',
    field,
    `it lasts ${durationS.toFixed(1)} s; at most ${maxDurationS} s are read; shorten it`,
    { durationS: durationS.toFixed(3), maxDurationS: String(maxDurationS) },
  );
}

const SILENT = { hasSound: false, soundChannels: 0, soundRateHz: 0, soundStream: -1 } as const;
const PLAIN_COLOUR = { colourMatrix: 'rgb', highDynamicRange: false } as const;
const HIGH_DYNAMIC_RANGE = new Set(['smpte2084', 'arib-std-b67']);

function describe(file: ProbedFile, field: string): MediaInfo {
  const video = file.streams.find((s) => s.codec_type === 'video' && s.disposition?.attached_pic !== 1);
  const sound = file.streams.find((s) => s.codec_type === 'audio');
  if (video === undefined && sound === undefined) throw unreadableFault(field);
  // Pictures that a container announces and does not hold, for instance because they lie in another file.
  if (video !== undefined && !(Number(video.nb_read_packets) > 0)) throw unreadableFault(field);
  const container = file.format.format_name ?? '';
  const durationS = seconds(video?.duration) ?? seconds(file.format.duration) ?? seconds(sound?.duration);
  const soundRateHz = Number(sound?.sample_rate ?? 0);
  const hasSound = sound !== undefined && soundRateHz > 0 && (sound.channels ?? 0) > 0;
  const audible = hasSound
    ? { hasSound, soundChannels: sound.channels ?? 0, soundRateHz, soundStream: sound.index }
    : SILENT;
  if (video === undefined) {
    const noPicture = { hasVideo: false, width: 0, height: 0, videoStream: -1 };
    return { ...audible, ...noPicture, ...PLAIN_COLOUR, kind: 'sound', container, durationS };
  }
  const { width, height } = shownSize(video, field);
  return {
    ...audible,
    kind: 'video',
    container,
    hasVideo: true,
    width,
    height,
    frameRate: rate(video.avg_frame_rate) ?? rate(video.r_frame_rate),
    durationS,
    videoStream: video.index,
    colourMatrix: matrix(video.color_space, height),
    highDynamicRange: HIGH_DYNAMIC_RANGE.has(video.color_transfer ?? ''),
  };
}

function shownSize(video: ProbedStream, field: string): { width: number; height: number } {
  const coded = { width: video.width ?? 0, height: video.height ?? 0 };
  if (coded.width < 1 || coded.height < 1) throw unreadableFault(field);
  const aspect = rate(video.sample_aspect_ratio?.replace(':', '/'));
  const stretch = aspect === undefined ? 1 : aspect.numerator / aspect.denominator;
  const width = Math.max(1, Math.round(coded.width * stretch));
  const rotation = video.side_data_list?.find((s) => s.rotation !== undefined)?.rotation ?? 0;
  const turned = Math.abs(Math.round(rotation / 90)) % 2 === 1;
  return turned ? { width: coded.height, height: width } : { width, height: coded.height };
}

function matrix(colourSpace: string | undefined, height: number): ColourMatrix {
  if (colourSpace === 'bt709') return 'bt709';
  if (colourSpace === 'bt470bg' || colourSpace === 'smpte170m' || colourSpace === 'fcc') return 'bt601';
  if (colourSpace === 'bt2020nc' || colourSpace === 'bt2020c') return 'bt2020';
  if (colourSpace === 'gbr') return 'rgb';
  return height >= 720 ? 'bt709' : 'bt601';
}

function rate(text: string | undefined): FrameRate | undefined {
  const [numerator, denominator] = (text ?? '').split('/').map(Number);
  if (numerator === undefined || denominator === undefined) return undefined;
  return numerator > 0 && denominator > 0 ? { numerator, denominator } : undefined;
}

function seconds(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

async function refuseEmpty(path: string, field: string): Promise<void> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw new Fault('missing', 'MEDIA_MISSING', `${field}: the file is not there`, { cause: error });
  });
  if (size === 0) throw mediaFault('MEDIA_EMPTY', field, 'the file has no bytes; send it again');
}

/** An mp4 that ends before its index was written, as against any other file that ffmpeg mistakes for an mp4. */
function missingIndexFault(failure: ToolFailure, head: Buffer, field: string): Fault | undefined {
  const startsAsMp4 = head.toString('latin1', 4, 8) === 'ftyp';
  return startsAsMp4 && /moov atom not found/.test(failure.stderr)
    ? truncatedFault(field, new Error(failure.stderr, { cause: failure.error }))
    : undefined;
}

const HEAD_BYTES = 65_536;

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** ffmpeg plays what there is of a cut wav without a word. Sizes of 0 and above 2 GiB are what streams write. */
async function wavEndsEarly(path: string, head: Buffer): Promise<boolean> {
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WAVE') return false;
  let offset = 12;
  while (offset + 8 <= head.length) {
    const size = head.readUInt32LE(offset + 4);
    if (head.toString('latin1', offset, offset + 4) === 'data') {
      return size < 0x7fff_f000 && offset + 8 + size > (await stat(path)).size;
    }
    offset += 8 + size + (size % 2);
  }
  return false;
}
