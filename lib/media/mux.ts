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
  };
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

const SOUND_BITS_PER_SECOND = '192k';

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
          `minterpolate=fps=${interpolate.frameRate.numerator}/${interpolate.frameRate.denominator}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1`,
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

function containerOptions(container: ClipContainer): string[] {
  if (container === 'webm') return ['-c:a', 'libopus', '-b:a', SOUND_BITS_PER_SECOND, '-f', 'webm'];
  const flags = container === 'mp4' ? '+faststart' : '+frag_keyframe+empty_moov+default_base_moof';
  return ['-c:a', 'aac', '-b:a', SOUND_BITS_PER_SECOND, '-movflags', flags, '-f', 'mp4'];
}
