/** Segments and the voice to one file. */
import { writeFile } from 'node:fs/promises';
import { codecOptions, type VideoCodec } from './encode-segment.ts';
import { startFfmpeg } from './ffmpeg-process.ts';
import { fileFault } from './media-fault.ts';
import { type FfmpegTools, INPUT_OPTIONS, inputUrl } from './media-input.ts';
import { BT709_OPTIONS, encodeFault } from './raw-video.ts';
import type { FrameRate } from './rgb-frame.ts';

export type ClipContainer = 'mp4' | 'fragmented-mp4' | 'webm';

export interface MuxOptions {
  /** Segment files in order, all of one codec, size and rate. */
  readonly segmentPaths: readonly string[];
  /** The voice as the caller gave it; its sound is encoded once, from the original. */
  readonly voicePath: string;
  readonly outputPath: string;
  /** A file that may be written beside the segments. */
  readonly listPath: string;
  readonly container: ClipContainer;
  /** Set to interpolate frames (motion compensated) up to this rate, with the rate factor for encoding again. */
  readonly interpolate?: {
    readonly frameRate: FrameRate;
    readonly constantRateFactor: number;
    /** Frames at that rate: as many as begin within the segments. */
    readonly frameCount: number;
  };
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

const SOUND_BITS_PER_SECOND = '192k';
/** AAC ends with 1024 whole samples: at 48 kHz half a frame of silence at most, at the 8 kHz of a telephone three. */
const AAC_RATE_HZ = '48000';
/** Frames that minterpolate needs behind those between which it works. */
const FRAMES_BEHIND = 2;

/** The codec of a container's segments. */
export function segmentCodec(container: ClipContainer): VideoCodec {
  return container === 'webm' ? 'vp9' : 'h264';
}

export async function muxClip(options: MuxOptions): Promise<void> {
  const { segmentPaths, voicePath, outputPath, listPath, container, interpolate, tools, signal } = options;
  const list = segmentPaths.map((path) => `file '${path.replaceAll("'", "'\\''")}'`).join('\n');
  try {
    await writeFile(listPath, `${list}\n`);
  } catch (error) {
    throw fileFault(error);
  }
  const video =
    interpolate === undefined
      ? ['-c:v', 'copy']
      : [
          '-vf',
          interpolationFilter(interpolate),
          ...codecOptions(segmentCodec(container), interpolate.constantRateFactor),
          ...BT709_OPTIONS,
        ];
  const muxing = startFfmpeg({
    inputs: [
      { source: inputUrl(listPath), options: ['-f', 'concat', '-safe', '0'] },
      { source: inputUrl(voicePath), options: INPUT_OPTIONS },
    ],
    outputs: [
      {
        target: outputPath,
        options: [
          '-map',
          '0:v:0',
          '-map',
          '1:a:0',
          ...video,
          ...containerOptions(container),
          '-map_metadata',
          '-1',
          '-y',
        ],
      },
    ],
    tools,
    signal,
    fault: (failure) => encodeFault(failure, tools),
  });
  await muxing.done;
}

/** The last frame is held, as nothing comes after it to interpolate with, and what that makes too many is cut. */
function interpolationFilter({ frameRate, frameCount }: NonNullable<MuxOptions['interpolate']>): string {
  const rate = `${frameRate.numerator}/${frameRate.denominator}`;
  return [
    `tpad=stop_mode=clone:stop=${FRAMES_BEHIND}`,
    `minterpolate=fps=${rate}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1`,
    `trim=end_frame=${frameCount}`,
  ].join();
}

function containerOptions(container: ClipContainer): string[] {
  if (container === 'webm') return ['-c:a', 'libopus', '-b:a', SOUND_BITS_PER_SECOND, '-f', 'webm'];
  // Only a header that is written after the first packets can say that AAC begins before 0 s.
  const flags = container === 'mp4' ? '+faststart' : '+frag_keyframe+delay_moov+default_base_moof';
  const aac = ['-c:a', 'aac', '-b:a', SOUND_BITS_PER_SECOND, '-ar', AAC_RATE_HZ];
  return [...aac, '-movflags', flags, '-f', 'mp4'];
}
