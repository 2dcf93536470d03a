/** Finished pictures on their way into an encoder: one raw stream, with the encoder's pace. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { Fault } from '#lib/fault/fault.ts';
import { type FfmpegInput, type FfmpegJob, type FfmpegProcess, startFfmpeg } from './ffmpeg-process.ts';
import { hostFault, type ToolFailure } from './media-fault.ts';
import type { FfmpegTools } from './media-input.ts';
import type { FrameRate } from './rgb-frame.ts';

export interface RawVideoFormat {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
}

/**
 * RGB to the colours that players expect of HD video, and even edges, which 4:2:0 needs: an odd last row or
 * column is left out.
 */
export const TO_YUV420 =
  'crop=trunc(iw/2)*2:trunc(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd,format=yuv420p';
export const BT709_OPTIONS: readonly string[] = [
  '-color_primaries',
  'bt709',
  '-color_trc',
  'bt709',
  '-colorspace',
  'bt709',
  '-color_range',
  'tv',
];

/** An encoder that is fed with pictures. */
export interface PictureEncoder {
  readonly process: FfmpegProcess;
  /** Resolves when the encoder can take the next picture. The data must not change afterwards. */
  write(data: Uint8Array): Promise<void>;
  /** Ends the input and resolves when the encoder has finished its output. */
  finish(): Promise<void>;
  /** Stops the encoder at once and resolves when it is gone. */
  discard(): Promise<void>;
}

export type EncodeJob = Omit<FfmpegJob, 'inputs' | 'fault'> & {
  readonly format: RawVideoFormat;
  /** Inputs after the pictures. */
  readonly moreInputs?: readonly FfmpegInput[];
};

export function startPictureEncoder({ format, moreInputs = [], ...job }: EncodeJob): PictureEncoder {
  const pictures = new PassThrough({ highWaterMark: format.width * format.height * 3 });
  const process = startFfmpeg({
    ...job,
    inputs: [{ source: pictures, options: rawVideoOptions(format) }, ...moreInputs],
    fault: (failure) => encodeFault(failure, job.tools),
  });
  // Writing to an encoder that died must not hang: its end settles every wait.
  const died = process.done.then(() => undefined);
  died.catch(() => pictures.destroy());
  pictures.on('error', () => undefined);
  return {
    process,
    async write(data) {
      if (pictures.destroyed) return died;
      if (!pictures.write(data)) await Promise.race([once(pictures, 'drain').catch(() => died), died]);
    },
    async finish() {
      pictures.end();
      await died;
    },
    async discard() {
      pictures.destroy();
      await process.stop();
    },
  };
}

function rawVideoOptions({ width, height, frameRate }: RawVideoFormat): string[] {
  const rate = `${frameRate.numerator}/${frameRate.denominator}`;
  return ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-video_size', `${width}x${height}`, '-framerate', rate];
}

/** A failure of an encoder or muxer. Its input is ours, so it is the machine's fault or our own. */
export function encodeFault(failure: ToolFailure, tools: FfmpegTools): Fault {
  return (
    hostFault(failure, tools) ??
    new Fault('internal', 'ENCODE_FAILED', 'the video encoder failed; `talkmesh doctor` checks ffmpeg', {
      cause: new Error(failure.stderr.trim() || 'no message on stderr', { cause: failure.error }),
    })
  );
}
