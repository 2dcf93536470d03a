/** Pictures and speech, in lockstep, to fragmented MP4 as it is made. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaFragment, readFragments } from './fragments.ts';
import type { FfmpegTools } from './media-input.ts';
import { BT709_OPTIONS, type RawVideoFormat, startPictureEncoder, TO_YUV420 } from './raw-video.ts';

export interface LiveEncoderOptions {
  readonly format: RawVideoFormat;
  readonly soundFormat: SoundLayout;
  readonly constantRateFactor: number;
  /** Media in a fragment; less means less delay and more overhead. */
  readonly fragmentMs: number;
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

/** Interleaved samples. */
export interface SoundLayout {
  readonly encoding: 's16le' | 'f32le';
  readonly sampleRateHz: number;
  readonly channelCount: number;
}

export interface LiveEncoder {
  readonly fragments: AsyncIterable<MediaFragment>;
  /** One picture and the sound of its duration, in the sound format. Waits for the encoder. */
  write(picture: Uint8Array, sound: Uint8Array): Promise<void>;
  /** No more pictures; the last fragments follow. */
  finish(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * AAC codes 1024 samples at a time and needs three times that to begin. At 48 kHz this is less than the pictures
 * that ffmpeg holds; at the 8 kHz of a telephone ffmpeg would wait for sound of pictures that it does not take yet.
 */
const OUTPUT_RATE_HZ = '48000';

/**
 * ffmpeg has one stdin, which the pictures take; the sound comes over a unix socket in a private folder. Both
 * are written frame by frame, so neither side can wait for the other for more than a frame.
 */
export async function startLiveEncoder(options: LiveEncoderOptions): Promise<LiveEncoder> {
  const { format, soundFormat, tools, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), 'talkmesh-live-'));
  const socketPath = join(folder, 'sound');
  const { server, connected } = await listen(socketPath);
  const encoder = startPictureEncoder({
    format,
    moreInputs: [
      {
        source: `unix:${socketPath}`,
        options: soundOptions(soundFormat),
      },
    ],
    outputs: [{ target: 'pipe', options: outputOptions(options) }],
    tools,
    signal,
  });
  const cleaned = encoder.process.done
    .catch(() => undefined)
    .then(async () => {
      server.close();
      await rm(folder, { recursive: true, force: true });
    });
  let socket: Socket | undefined;

  return {
    fragments: readFragments(encoder.process.output),
    async write(picture, sound) {
      const writeSound = async (): Promise<void> => {
        socket ??= await Promise.race([connected, encoder.process.done.then(() => undefined)]);
        socket?.write(sound);
      };
      await Promise.all([encoder.write(picture), writeSound()]);
    },
    async finish() {
      socket?.end();
      if (socket === undefined) server.close();
      await encoder.finish();
      await cleaned;
    },
    async discard() {
      socket?.destroy();
      await encoder.discard();
      await cleaned;
    },
  };
}

/** Without the small probe ffmpeg reads 64 KiB of sound before the second picture, which waits for it in turn. */
function soundOptions({ encoding, sampleRateHz, channelCount }: SoundLayout): string[] {
  return ['-probesize', '32', '-f', encoding, '-ar', String(sampleRateHz), '-ac', String(channelCount)];
}

async function listen(path: string): Promise<{ server: Server; connected: Promise<Socket> }> {
  const { promise: connected, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    // The encoder's own end reports why it went away.
    socket.on('error', () => socket.destroy());
    resolve(socket);
  });
  await new Promise<void>((ready, fail) => server.once('error', fail).listen(path, ready));
  return { server, connected };
}

function outputOptions({ format, constantRateFactor, fragmentMs }: LiveEncoderOptions): string[] {
  const framesPerSecond = format.frameRate.numerator / format.frameRate.denominator;
  return [
    ...['-map', '0:v:0', '-map', '1:a:0', '-vf', TO_YUV420],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-bf', '0'],
    ...['-crf', String(constantRateFactor), '-g', String(Math.round(framesPerSecond * 2))],
    ...BT709_OPTIONS,
    ...['-c:a', 'aac', '-b:a', '128k', '-ar', OUTPUT_RATE_HZ],
    // With its header delayed to the first fragment, the file says that AAC begins before 0 s, and pictures need not wait.
    ...['-movflags', '+delay_moov+default_base_moof', '-frag_duration', String(fragmentMs * 1000)],
    ...['-flush_packets', '1', '-f', 'mp4'],
  ];
}
