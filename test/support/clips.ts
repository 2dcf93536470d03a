/** Inputs that tests make: short voices, tones and pictures. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROJECT } from './mesh-process.ts';

const run = promisify(execFile);

export const DEMO_FACE = join(PROJECT, 'demo/face.jpg');
export const DEMO_FACE_VIDEO = join(PROJECT, 'demo/face.mp4');
export const DEMO_VOICE = join(PROJECT, 'demo/speech.wav');

export async function ffmpeg(...args: string[]): Promise<void> {
  await run('ffmpeg', ['-y', '-loglevel', 'error', ...args]);
}

/** The first seconds of the demo voice, which is repeated when it is too short. */
export async function makeVoice(
  folder: string,
  seconds: number,
  name = `voice-${seconds}.wav`,
): Promise<string> {
  const path = join(folder, name);
  await ffmpeg('-stream_loop', '-1', '-i', DEMO_VOICE, '-t', String(seconds), path);
  return path;
}

/** A tone, as a mono WAV at 16 kHz unless the options for its output say otherwise. */
export async function makeTone(
  folder: string,
  hertz: number,
  seconds: number,
  options: readonly string[] = ['-ar', '16000', '-ac', '1'],
  name = `tone-${hertz}.wav`,
): Promise<string> {
  const path = join(folder, name);
  const tone = `sine=frequency=${hertz}:sample_rate=48000:duration=${seconds}`;
  await ffmpeg('-f', 'lavfi', '-i', tone, ...options, path);
  return path;
}

/** The demo photograph at a size. Small pictures are rendered quickly. */
export async function makePhoto(
  folder: string,
  edgePx: number,
  name = `face-${edgePx}.jpg`,
): Promise<string> {
  const path = join(folder, name);
  await ffmpeg('-i', DEMO_FACE, '-vf', `scale=${edgePx}:${edgePx}`, path);
  return path;
}

/** The samples of a file's sound. */
export async function samplesOf(path: string, encoding: 's16le' | 'f32le', ...options: string[]) {
  const args = ['-loglevel', 'error', '-i', path, '-map', '0:a', ...options, '-f', encoding, '-'];
  const { stdout } = await run('ffmpeg', args, { encoding: 'buffer', maxBuffer: 64 << 20 });
  return new Uint8Array(stdout);
}
