/** The golden numbers of the audio front end: numpy float64, made by training/audio/golden.py. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AudioRecipe, RunningMeanNormalisation } from '#lib/inference/manifest.ts';
import { wavSamples } from '#lib/media/test-media.ts';

interface GoldenRows {
  readonly [key: string]: readonly number[];
}

export interface AudioGolden {
  readonly tolerance: { readonly filterbank: number; readonly logMel: number; readonly windows: number };
  readonly wav: string;
  readonly audio: Omit<AudioRecipe, 'normalisation' | 'windowFunction'>;
  readonly normalisation: RunningMeanNormalisation;
  readonly fps: { readonly numerator: number; readonly denominator: number };
  readonly filterbank: {
    readonly sum: number;
    readonly rowSums: readonly number[];
    readonly row10: { readonly firstBin: number; readonly values: readonly number[] };
    readonly row79: { readonly firstBin: number; readonly values: readonly number[] };
  };
  readonly logMel: { readonly frames: number; readonly sum: number; readonly rows: GoldenRows };
  readonly windows: {
    readonly videoFrames: number;
    readonly centres: Readonly<Record<string, number>>;
    readonly sums: Readonly<Record<string, number>>;
    readonly meanOverBands: GoldenRows;
    /** By "video frame:log-mel frame of its window". */
    readonly rows: GoldenRows;
  };
}

const FOLDER = new URL('../../../test/golden/', import.meta.url);

export async function readGolden(): Promise<{
  golden: AudioGolden;
  recipe: AudioRecipe;
  samples: Float32Array;
}> {
  const golden = JSON.parse(await readFile(new URL('audio-frontend.json', FOLDER), 'utf8')) as AudioGolden;
  const bytes = await wavSamples(fileURLToPath(new URL(golden.wav, FOLDER)));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = Float32Array.from(
    { length: bytes.length / 2 },
    (_, i) => view.getInt16(2 * i, true) / 32_768,
  );
  const recipe = {
    ...golden.audio,
    normalisation: golden.normalisation,
    windowFunction: 'hann-periodic',
  } as const;
  return { golden, recipe, samples };
}

/** The samples in pieces of the given sizes, over and over. */
export function cutSamples(samples: Float32Array, sizes: readonly number[]): Float32Array[] {
  const pieces: Float32Array[] = [];
  for (let offset = 0, i = 0; offset < samples.length; i++) {
    pieces.push(samples.subarray(offset, offset + sizes[i % sizes.length]!));
    offset += sizes[i % sizes.length]!;
  }
  return pieces;
}

/** A digest of arrays, for comparing many of them bit for bit. */
export function digestOf(arrays: Iterable<ArrayBufferView>): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}
