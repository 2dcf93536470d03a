/**
 * A piece of a clip as a file of its own. Every segment starts a fresh encoder, so that a clip that was
 * interrupted and resumed at a segment boundary has the same bytes as one that was not.
 */
import type { FfmpegTools } from './media-input.ts';
import {
  BT709_OPTIONS,
  type PictureEncoder,
  type RawVideoFormat,
  startPictureEncoder,
  TO_YUV420,
} from './raw-video.ts';

export type VideoCodec = 'h264' | 'vp9';

export interface SegmentOptions {
  readonly path: string;
  readonly format: RawVideoFormat;
  readonly codec: VideoCodec;
  readonly constantRateFactor: number;
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

/** x264's output depends on its thread count, so the count is fixed rather than the machine's. */
const ENCODER_THREADS = '2';

export function startSegmentEncoder(options: SegmentOptions): PictureEncoder {
  const { path, format, codec, constantRateFactor, tools, signal } = options;
  return startPictureEncoder({
    format,
    tools,
    signal,
    outputs: [
      {
        target: path,
        options: [
          '-vf',
          TO_YUV420,
          ...codecOptions(codec, constantRateFactor),
          ...BT709_OPTIONS,
          '-f',
          'mp4',
        ],
      },
    ],
  });
}

/** Without B-frames timestamps begin at zero, so that segments join without gaps. */
export function codecOptions(codec: VideoCodec, constantRateFactor: number): string[] {
  const rate = ['-crf', String(constantRateFactor), '-threads', ENCODER_THREADS];
  if (codec === 'h264') return ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0', ...rate];
  return [
    '-c:v',
    'libvpx-vp9',
    '-b:v',
    '0',
    '-deadline',
    'realtime',
    '-cpu-used',
    '6',
    '-row-mt',
    '1',
    ...rate,
  ];
}
