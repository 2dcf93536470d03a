/** What a video file really holds: its streams, times, frames, colours and tones, as ffmpeg decodes them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 << 20;

/** The MD5 of every decoded video frame of a file. */
export async function frameHashes(path: string): Promise<string[]> {
  const args = ['-loglevel', 'error', '-i', path, '-map', '0:v', '-f', 'framemd5', '-'];
  const { stdout } = await run('ffmpeg', args, { maxBuffer: MAX_OUTPUT_BYTES });
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)!.trim());
}

export interface StreamFacts {
  readonly codec_type: string;
  readonly codec_name: string;
  readonly pix_fmt?: string;
  readonly width?: number;
  readonly height?: number;
  readonly avg_frame_rate?: string;
  readonly sample_rate?: string;
  readonly channels?: number;
}

export interface VideoFacts {
  readonly video: StreamFacts;
  readonly audio: StreamFacts;
  readonly durationS: number;
  /** Seconds at which each video frame is shown. */
  readonly frameTimesS: readonly number[];
  /** Seconds from the first sound to the end of the last. */
  readonly soundStartS: number;
  readonly soundEndS: number;
}

interface Packet {
  readonly codec_type: string;
  readonly pts_time: string;
  readonly duration_time?: string;
}

/** Fails unless the file has one video and one sound stream, as every output must. */
export async function videoFacts(path: string): Promise<VideoFacts> {
  const entries = 'stream:format=duration:packet=codec_type,pts_time,duration_time';
  const args = ['-v', 'error', '-show_entries', entries, '-of', 'json', path];
  const { stdout } = await run('ffprobe', args, { maxBuffer: MAX_OUTPUT_BYTES });
  const { streams, format, packets } = JSON.parse(stdout) as {
    streams: StreamFacts[];
    format: { duration: string };
    packets: Packet[];
  };
  if (streams.map(({ codec_type }) => codec_type).join() !== 'video,audio') {
    throw new Error(`${path} holds ${streams.map(({ codec_type }) => codec_type).join() || 'nothing'}`);
  }
  const of = (type: string): Packet[] => packets.filter(({ codec_type }) => codec_type === type);
  const sound = of('audio');
  const last = sound.at(-1)!;
  return {
    video: streams[0]!,
    audio: streams[1]!,
    durationS: Number(format.duration),
    frameTimesS: of('video')
      .map(({ pts_time }) => Number(pts_time))
      .sort((a, b) => a - b),
    soundStartS: Number(sound[0]!.pts_time),
    soundEndS: Number(last.pts_time) + Number(last.duration_time ?? 0),
  };
}

/** Mean red, green and blue (0 to 255) of a rectangle, for each frame. */
export async function meanColours(
  path: string,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): Promise<[number, number, number][]> {
  const filter = `crop=${width}:${height}:${x}:${y},scale=1:1:flags=area,format=rgb24`;
  const args = ['-loglevel', 'error', '-i', path, '-map', '0:v', '-vf', filter, '-f', 'rawvideo', '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: MAX_OUTPUT_BYTES });
  return Array.from({ length: stdout.length / 3 }, (_, i) => [
    stdout[3 * i]!,
    stdout[3 * i + 1]!,
    stdout[3 * i + 2]!,
  ]);
}

/** The power of a tone in a file's sound as a share of all its power (Goertzel's algorithm). */
export async function toneShare(path: string, hertz: number): Promise<number> {
  const args = [
    '-loglevel',
    'error',
    '-i',
    path,
    '-map',
    '0:a',
    '-ac',
    '1',
    '-ar',
    '16000',
    '-f',
    'f32le',
    '-',
  ];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: MAX_OUTPUT_BYTES });
  const samples = new Float32Array(new Uint8Array(stdout).buffer);
  const coefficient = 2 * Math.cos((2 * Math.PI * hertz) / 16_000);
  let [previous, beforeThat, energy] = [0, 0, 0];
  for (const sample of samples) {
    [previous, beforeThat] = [sample + coefficient * previous - beforeThat, previous];
    energy += sample * sample;
  }
  const power = previous ** 2 + beforeThat ** 2 - coefficient * previous * beforeThat;
  // A pure tone of N samples has a power of N/2 times its energy.
  return power / ((energy * samples.length) / 2);
}
