/** One ffmpeg that decodes a source's pictures, and the cutting of its raw output into frames. */
import type { Readable } from 'node:stream';
import { Fault } from '#lib/fault/fault.ts';
import { type FfmpegOutput, type FfmpegProcess, startFfmpeg } from './ffmpeg-process.ts';
import { mediaFault, readFault, saysTruncated, truncatedFault, unreadableFault } from './media-fault.ts';
import { DEFAULT_TOOLS, INPUT_OPTIONS, inputUrl } from './media-input.ts';
import { fitInside, type PictureSize, toPlanar, toRgb } from './picture-filter.ts';
import { DEFAULT_LIMITS, type MediaInfo, type MediaOptions, probeMedia, tooLongFault } from './probe.ts';
import type { FrameRate } from './rgb-frame.ts';

export interface FramesOptions extends MediaOptions {
  /** The output clock. Sources of another rate drop or repeat pictures. */
  readonly frameRate: FrameRate;
  /** Longest edge in pixels; larger pictures are scaled down. Not set: as shown. */
  readonly maxEdgePx?: number | undefined;
  /** The first frame that is given, from 0. Default 0. */
  readonly startFrame?: number | undefined;
  /** What `probeMedia` said of this very file. Not set: it is examined. */
  readonly info?: MediaInfo | undefined;
}

export interface PicturePlan {
  readonly path: string;
  readonly info: MediaInfo;
  readonly size: PictureSize;
  readonly options: FramesOptions;
}

/** Examines a source and fixes the size of its frames. Fault MEDIA_NO_PICTURE for sound. */
export async function planPictures(path: string, options: FramesOptions): Promise<PicturePlan> {
  const { numerator, denominator } = options.frameRate;
  if (!(numerator > 0 && denominator > 0)) {
    throw new Fault('internal', 'FRAME_RATE_UNSET', 'a source was opened without a frame rate');
  }
  const info = options.info ?? (await probeMedia(path, options));
  if (!info.hasVideo) {
    const description = 'the file holds sound only; send a video or a photograph';
    throw mediaFault('MEDIA_NO_PICTURE', options.field ?? 'source', description);
  }
  return { path, info, size: fitInside(info, options.maxEdgePx), options };
}

/** What else a decoding run writes besides RGB frames: the 4:2:0 pictures, to a file of at most `maxBytes`. */
export interface PlanarTee {
  readonly path: string;
  readonly maxBytes: number;
}

export function decodePictures(plan: PicturePlan, tee?: PlanarTee): FfmpegProcess {
  const { info, options, size } = plan;
  const tools = options.tools ?? DEFAULT_TOOLS;
  const planar = `[0:${info.videoStream}]${toPlanar(info, options.frameRate, size, options.startFrame ?? 0)}`;
  const rgb: FfmpegOutput = { target: 'pipe', options: ['-map', '[rgb]', ...RAW] };
  return startFfmpeg({
    inputs: [{ source: inputUrl(plan.path), options: INPUT_OPTIONS }],
    filterGraph:
      tee === undefined
        ? `${planar},${toRgb(info)}[rgb]`
        : `${planar},split[shown][planar];[shown]${toRgb(info)}[rgb]`,
    outputs: tee === undefined ? [rgb] : [rgb, planarFile(tee, '[planar]')],
    tools,
    signal: options.signal,
    fault: (failure) => readFault(failure, tools, options.field ?? 'source'),
  });
}

/** Decodes the whole source at full speed into a file of 4:2:0 pictures. */
export function decodePlanar(plan: PicturePlan, tee: PlanarTee): FfmpegProcess {
  const { info, options, size } = plan;
  const tools = options.tools ?? DEFAULT_TOOLS;
  return startFfmpeg({
    inputs: [{ source: inputUrl(plan.path), options: INPUT_OPTIONS }],
    filterGraph: `[0:${info.videoStream}]${toPlanar(info, options.frameRate, size, 0)}[planar]`,
    outputs: [planarFile(tee, '[planar]')],
    tools,
    signal: options.signal,
    fault: (failure) => readFault(failure, tools, options.field ?? 'source'),
  });
}

/** Frames pass as they come: the filters have made the rate, the muxer must neither repeat nor drop. */
export const RAW = ['-f', 'rawvideo', '-vsync', 'passthrough'] as const;

function planarFile(tee: PlanarTee, label: string): FfmpegOutput {
  return { target: tee.path, options: ['-map', label, ...RAW, '-fs', String(tee.maxBytes)] };
}

/**
 * The process's raw output, cut into frames of `frameBytes`, one fresh buffer each. Ends the process when the
 * caller stops. Throws MEDIA_TRUNCATED for a file that ends early and MEDIA_UNREADABLE for one without a frame.
 */
export async function* readFrames(
  process: FfmpegProcess,
  frameBytes: number,
  plan: PicturePlan,
): AsyncGenerator<Uint8Array> {
  const field = plan.options.field ?? 'source';
  const limit = frameLimit(plan);
  let count = plan.options.startFrame ?? 0;
  const first = count;
  try {
    for await (const frame of cutFrames(process.output, frameBytes)) {
      count += 1;
      if (count > limit) throw tooLong(plan);
      yield frame;
    }
    const { stderr } = await process.done;
    if (saysTruncated(stderr)) throw truncatedFault(field, new Error(stderr));
    if (count === 0 && first === 0) throw unreadableFault(field, new Error(stderr));
  } finally {
    await process.stop();
  }
}

/** Cuts a stream of bytes into frames of `frameBytes`, each in a buffer of its own. */
export async function* cutFrames(stream: Readable, frameBytes: number): AsyncGenerator<Uint8Array> {
  let frame = Buffer.allocUnsafeSlow(frameBytes);
  let filled = 0;
  for await (const part of stream) {
    const chunk = part as Buffer;
    let read = 0;
    while (read < chunk.length) {
      const taken = Math.min(frameBytes - filled, chunk.length - read);
      chunk.copy(frame, filled, read, read + taken);
      filled += taken;
      read += taken;
      if (filled === frameBytes) {
        yield frame;
        frame = Buffer.allocUnsafeSlow(frameBytes);
        filled = 0;
      }
    }
  }
  if (filled > 0) throw new Fault('internal', 'FRAME_INCOMPLETE', 'ffmpeg ended in the middle of a frame');
}

function frameLimit({ options }: PicturePlan): number {
  const maxDurationS = options.limits?.maxDurationS ?? DEFAULT_LIMITS.maxDurationS;
  return Math.ceil((maxDurationS * options.frameRate.numerator) / options.frameRate.denominator);
}

/** For files that declare less than they hold. */
function tooLong(plan: PicturePlan): Fault {
  const { frameRate, limits, field } = plan.options;
  const frames = frameLimit(plan) + 1;
  const maxDurationS = limits?.maxDurationS ?? DEFAULT_LIMITS.maxDurationS;
  return tooLongFault(
    (frames * frameRate.denominator) / frameRate.numerator,
    maxDurationS,
    field ?? 'source',
  );
}
