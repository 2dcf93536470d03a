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
  /** Seconds at which the sound that is presented ends. */
  readonly soundEndS: number;
}

interface Packet {
  readonly codec_type: string;
  readonly pts_time: string;
}

/** Fails unless the file has one video and one sound stream, as every output must. */
export async function videoFacts(path: string): Promise<VideoFacts> {
  const entries = 'stream:format=duration:packet=codec_type,pts_time';
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
  return {
    video: streams[0]!,
    audio: streams[1]!,
    durationS: Number(format.duration),
    frameTimesS: packets
      .filter(({ codec_type }) => codec_type === 'video')
      .map(({ pts_time }) => Number(pts_time))
      .sort((a, b) => a - b),
    soundEndS: (await presentedSound(path)).length / SOUND_RATE_HZ,
  };
}

/** Mean red, green and blue (0 to 255) of a rectangle, for each frame. */
export async function meanColours(
  path: string,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): Promise<[number, number, number][]> {
  const toRgb = 'scale=in_color_matrix=bt709,format=rgb24';
  const filter = `crop=${width}:${height}:${x}:${y},${toRgb},scale=1:1:flags=area`;
  // Without -copyts ffmpeg moves pictures behind sound that begins before 0 s, and fills the gap with one more.
  const input = ['-loglevel', 'error', '-copyts', '-i', path, '-map', '0:v'];
  const args = [...input, '-vf', filter, '-f', 'rawvideo', '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: MAX_OUTPUT_BYTES });
  return Array.from({ length: stdout.length / 3 }, (_, i) => [
    stdout[3 * i]!,
    stdout[3 * i + 1]!,
    stdout[3 * i + 2]!,
  ]);
}

const SOUND_RATE_HZ = 8_000;

/** The sound as a player presents it, from 0 s of the file's clock on, which is where its pictures start. */
async function presentedSound(path: string): Promise<Float32Array> {
  const filter = `aresample=${SOUND_RATE_HZ}:async=1:first_pts=0`;
  const input = ['-loglevel', 'error', '-copyts', '-i', path, '-map', '0:a', '-ac', '1'];
  const output = ['-af', filter, '-f', 'f32le', '-'];
  const { stdout } = await run('ffmpeg', [...input, ...output], {
    encoding: 'buffer',
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return new Float32Array(new Uint8Array(stdout).buffer);
}

const LAG_WINDOW_S = 1;
const LONGEST_LAG_S = 0.1;

/**
 * By how many seconds the sound of a video comes after the voice that it was made of, at its start and at its end:
 * where the two correlate best. Fails when they hardly do.
 */
export async function soundLagsS(path: string, voicePath: string): Promise<[start: number, end: number]> {
  const [sound, voice] = [await presentedSound(path), await presentedSound(voicePath)];
  const length = Math.min(voice.length, LAG_WINDOW_S * SOUND_RATE_HZ);
  return [lagS(sound, voice, 0, length), lagS(sound, voice, voice.length - length, length)];
}

function lagS(sound: Float32Array, voice: Float32Array, from: number, length: number): number {
  const longest = LONGEST_LAG_S * SOUND_RATE_HZ;
  let best = { lag: 0, correlation: 0 };
  for (let lag = -longest; lag <= longest; lag++) {
    let [product, soundEnergy, voiceEnergy] = [0, 0, 0];
    for (let i = Math.max(from, -lag); i < from + length && i + lag < sound.length; i++) {
      const [a, b] = [sound[i + lag]!, voice[i]!];
      product += a * b;
      soundEnergy += a * a;
      voiceEnergy += b * b;
    }
    const correlation = product / Math.sqrt(soundEnergy * voiceEnergy);
    if (correlation > best.correlation) best = { lag, correlation };
  }
  if (best.correlation < 0.7) throw new Error(`sound and voice correlate by ${best.correlation} only`);
  return best.lag / SOUND_RATE_HZ;
}

/** The power of a tone in a file's sound as a share of all its power (Goertzel's algorithm). */
export async function toneShare(path: string, hertz: number): Promise<number> {
  const samples = await presentedSound(path);
  const coefficient = 2 * Math.cos((2 * Math.PI * hertz) / SOUND_RATE_HZ);
  let [previous, beforeThat, energy] = [0, 0, 0];
  for (const sample of samples) {
    [previous, beforeThat] = [sample + coefficient * previous - beforeThat, previous];
    energy += sample * sample;
  }
  const power = previous ** 2 + beforeThat ** 2 - coefficient * previous * beforeThat;
  // A pure tone of N samples has a power of N/2 times its energy.
  return power / ((energy * samples.length) / 2);
}
