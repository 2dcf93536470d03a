/** Media for tests, made by ffmpeg's own generators: no file of a person is needed. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TestFolder {
  readonly path: string;
  /** Runs ffmpeg with these arguments; the last one is the file name in the folder, whose path it returns. */
  make(...args: readonly string[]): Promise<string>;
  /** The path of a name in the folder. */
  file(name: string): string;
  remove(): Promise<void>;
}

export async function createTestFolder(): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'talkmesh-test-media-'));
  const file = (name: string) => join(path, name);
  return {
    path,
    file,
    make: async (...args) => {
      const target = file(args.at(-1)!);
      await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args.slice(0, -1), target]);
      return target;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Input arguments: pictures whose grey level counts: frame n is about 16 + 2n, up to n = 100. */
export function countingPictures(frames: number, options: { size?: string; rate?: number } = {}): string[] {
  const { size = '64x48', rate = 25 } = options;
  const source = `nullsrc=s=${size}:r=${rate}:d=${frames / rate},format=yuv420p,geq=lum='16+2*N':cb=128:cr=128`;
  return ['-f', 'lavfi', '-i', source];
}

/** Output arguments: H.264 without loss. */
export const LOSSLESS: readonly string[] = ['-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '0'];

/** The number of a counting picture, from the middle of its RGB bytes. */
export function countOf(frame: { readonly data: Uint8Array }): number {
  const grey = frame.data[Math.floor(frame.data.length / 6) * 3]!;
  return Math.round((grey * 219) / 255 / 2);
}

/** Everything that an async iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The pieces as one array. */
export function join32(pieces: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}

/** The bytes in pieces of the given sizes, over and over. */
export async function* inPieces(bytes: Uint8Array, ...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

/** The samples of a WAV file, as bytes. */
export async function wavSamples(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  return bytes.subarray(bytes.indexOf('data') + 8);
}

/** Process ids of the ffmpegs that this process has started and that still run. */
export async function ffmpegChildren(): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/.exec(stat) ?? [];
    if (name === 'ffmpeg' && state !== 'Z' && Number(parent) === process.pid) found.push(Number(entry));
  }
  return found;
}
