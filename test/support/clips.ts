/** Inputs that tests make: short voices, and frames read back from videos. */
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

/** The first seconds of the demo voice. */
export async function makeVoice(
  folder: string,
  seconds: number,
  name = `voice-${seconds}.wav`,
): Promise<string> {
  const path = join(folder, name);
  await ffmpeg('-i', DEMO_VOICE, '-t', String(seconds), path);
  return path;
}

/** The MD5 of every decoded video frame of a file. */
export async function frameHashes(path: string): Promise<string[]> {
  const args = ['-loglevel', 'error', '-i', path, '-map', '0:v', '-f', 'framemd5', '-'];
  const { stdout } = await run('ffmpeg', args, { maxBuffer: 64 << 20 });
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)!.trim());
}
