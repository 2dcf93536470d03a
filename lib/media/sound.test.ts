import { readdir, readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PcmFormat } from './pcm.ts';
import { decodePcm, decodeSoundContainer, decodeSoundFile, type SoundOptions } from './sound.ts';
import {
  collect,
  createTestFolder,
  ffmpegChildren,
  inPieces,
  join32,
  type TestFolder,
  wavSamples,
} from './test-media.ts';

const AT_16K: SoundOptions = { sampleRateHz: 16_000 };
const SWEEP = ['-f', 'lavfi', '-i', 'aevalsrc=0.5*sin(1000*t*t)|0.3*cos(700*t):s=44100:d=2'];
const STEREO: PcmFormat = { encoding: 's16le', sampleRateHz: 44_100, channelCount: 2 };

/** Samples at 16 kHz: raw AAC has no place to say its encoder's delay; WebM starts 6.5 ms before its sound. */
const LAG: Readonly<Record<string, number>> = { aac: 1_100, webm: 120 };

let folder: TestFolder;
let sweep: string;
let whole: Float32Array;
beforeAll(async () => {
  folder = await createTestFolder();
  sweep = await folder.make(...SWEEP, 'sweep.wav');
  whole = await fromPieces(await wavSamples(sweep), [1 << 20], STEREO);
});
afterAll(() => folder.remove());

const fromFile = async (path: string, options = AT_16K) =>
  join32(await collect(decodeSoundFile(path, options)));
const fromPieces = async (bytes: Uint8Array, sizes: readonly number[], format: PcmFormat, options = AT_16K) =>
  join32(await collect(decodePcm(inPieces(bytes, ...sizes), format, options)));

describe('decodeSoundFile()', () => {
  it.each([
    ['wav', 'pcm_s16le'],
    ['wav', 'pcm_f32le'],
    ['flac', 'flac'],
    ['mkv', 'flac'],
    ['mov', 'pcm_s16be'],
    ['aiff', 'pcm_s16be'],
    ['caf', 'pcm_s16le'],
  ])('gives the samples of live PCM, bit for bit, from lossless %s (%s)', async (extension, codec) => {
    const path = await folder.make('-i', sweep, '-c:a', codec, `${codec}.${extension}`);
    expect(await fromFile(path)).toEqual(whole);
  });

  it.each(['mp3', 'm4a', 'ogg', 'webm', 'aac'])('reads %s in time with the original', async (extension) => {
    const decoded = await fromFile(await folder.make('-i', sweep, `lossy.${extension}`));
    expect(Math.abs(decoded.length - whole.length)).toBeLessThan(extension === 'aac' ? 2_500 : 900);
    expect(Math.abs(bestLag(whole, decoded))).toBeLessThanOrEqual(LAG[extension] ?? 16);
  });

  it('reads 8 kHz mono and 192 kHz with six channels', async () => {
    const narrow = await folder.make('-f', 'lavfi', '-i', 'sine=1000:r=8000:d=1', 'narrow.wav');
    expect(await fromFile(narrow)).toHaveLength(16_000);
    const wide = await folder.make('-f', 'lavfi', '-i', 'sine=1000:r=192000:d=1', '-ac', '6', 'wide.wav');
    const decoded = await fromFile(wide);
    expect(decoded).toHaveLength(16_000);
    expect(decoded.every(Number.isFinite)).toBe(true);
  });

  it('averages channels', async () => {
    const path = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'aevalsrc=0.5|-0.25|0|0|0|0.75:s=16000:d=0.1:c=5.1',
      '-c:a',
      'pcm_f32le',
      'six.wav',
    );
    for (const sample of await fromFile(path)) expect(sample).toBeCloseTo(1 / 6, 6);
  });

  it('fills a late start with silence, so that speech keeps its place in the file', async () => {
    const pictures = ['-f', 'lavfi', '-i', 'testsrc2=s=32x32:r=25:d=3'];
    const path = await folder.make(
      ...pictures,
      '-itsoffset',
      '0.5',
      '-i',
      sweep,
      '-c:v',
      'libx264',
      '-c:a',
      'flac',
      'late.mkv',
    );
    const decoded = await fromFile(path);
    expect(decoded.length - whole.length).toBe(8_000);
    expect(decoded.subarray(0, 7_900).every((sample) => sample === 0)).toBe(true);
  });

  it('reads silence', async () => {
    const path = await folder.make('-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono:d=1', 'silence.wav');
    expect((await fromFile(path)).every((sample) => sample === 0)).toBe(true);
  });

  it('refuses a file of no samples: SOUND_EMPTY', async () => {
    const bytes = await readFile(sweep);
    const header = bytes.subarray(0, bytes.indexOf('data') + 8);
    header.writeUInt32LE(0, header.length - 4);
    const path = folder.file('none.wav');
    await writeFile(path, header);
    await expect(fromFile(path)).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'SOUND_EMPTY',
      violations: [{ field: 'voice' }],
    });
  });

  it('refuses a video without sound: MEDIA_NO_SOUND', async () => {
    const path = await folder.make('-f', 'lavfi', '-i', 'testsrc2=s=32x32:d=0.2', 'mute.mp4');
    await expect(fromFile(path)).rejects.toMatchObject({ reason: 'MEDIA_NO_SOUND' });
  });

  it('refuses a truncated flac: MEDIA_TRUNCATED', async () => {
    const path = await folder.make('-i', sweep, 'cut.flac');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length / 2));
    await expect(fromFile(path)).rejects.toMatchObject({ reason: 'MEDIA_TRUNCATED' });
  });

  it('refuses to read more than the limit, whatever the file declares: MEDIA_TOO_LONG', async () => {
    const options = { ...AT_16K, limits: { maxDurationS: 1 } };
    await expect(fromFile(sweep, options)).rejects.toMatchObject({ reason: 'MEDIA_TOO_LONG' });
    await expect(
      fromPieces(new Uint8Array(64_004), [100], { ...STEREO, sampleRateHz: 16_000 }, options),
    ).rejects.toMatchObject({
      reason: 'MEDIA_TOO_LONG',
    });
  });

  it('ends ffmpeg when the caller stops or cancels', async () => {
    const long = await folder.make('-f', 'lavfi', '-i', 'sine=d=600:r=48000', 'long.wav');
    const stopped = decodeSoundFile(long, AT_16K);
    await stopped.next();
    await stopped.return(undefined);
    expect(await ffmpegChildren()).toEqual([]);
    const controller = new AbortController();
    const cancelled = decodeSoundFile(long, { ...AT_16K, signal: controller.signal });
    await cancelled.next();
    controller.abort();
    await expect(collect(cancelled)).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('reports FFMPEG_KILLED when ffmpeg is killed midway', async () => {
    const sound = decodeSoundFile(folder.file('long.wav'), AT_16K);
    await sound.next();
    process.kill((await ffmpegChildren())[0]!, 'SIGKILL');
    await expect(collect(sound)).rejects.toMatchObject({ kind: 'unavailable', reason: 'FFMPEG_KILLED' });
  });

  it('keeps memory flat over 20 minutes', async () => {
    const path = await folder.make('-f', 'lavfi', '-i', 'sine=r=16000:d=1200', 'twenty.flac');
    let samples = 0;
    let peak = 0;
    for await (const piece of decodeSoundFile(path, AT_16K)) {
      const before = samples;
      samples += piece.length;
      if (Math.floor(before / 1e6) < Math.floor(samples / 1e6))
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    }
    expect(samples).toBe(1200 * 16_000);
    expect(peak).toBeLessThan(96 << 20);
  });
});

describe('decodePcm()', () => {
  it('gives the same bits however the bytes come', async () => {
    const bytes = await wavSamples(sweep);
    const sizes = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 8 });
    const cuts = fc.asyncProperty(sizes, async (pieces) => {
      expect(await fromPieces(bytes, [...pieces, 20_000], STEREO)).toEqual(whole);
    });
    await fc.assert(cuts, { numRuns: 15 });
    expect(await fromPieces(bytes.subarray(0, 4_000), [1], STEREO)).toEqual(
      await fromPieces(bytes.subarray(0, 4_000), [4_000], STEREO),
    );
  });

  it('gives live 16 kHz samples at once', async () => {
    const sound = decodePcm(
      endless(320),
      { encoding: 's16le', sampleRateHz: 16_000, channelCount: 1 },
      AT_16K,
    );
    expect((await sound.next()).value).toHaveLength(160);
    await sound.return(undefined);
  });

  it('refuses a stream of no samples: SOUND_EMPTY', async () => {
    await expect(fromPieces(new Uint8Array(0), [1], STEREO)).rejects.toMatchObject({ reason: 'SOUND_EMPTY' });
  });

  it('refuses a stream that ends inside a sample: MEDIA_TRUNCATED', async () => {
    await expect(fromPieces(new Uint8Array(4_003), [999], STEREO)).rejects.toMatchObject({
      reason: 'MEDIA_TRUNCATED',
    });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses a float sample of %d: SOUND_NOT_FINITE',
    async (value) => {
      const bytes = new Uint8Array(new Float32Array([0, 0.5, value, 0]).buffer);
      const format: PcmFormat = { encoding: 'f32le', sampleRateHz: 16_000, channelCount: 1 };
      await expect(fromPieces(bytes, [5], format)).rejects.toMatchObject({
        kind: 'invalid',
        reason: 'SOUND_NOT_FINITE',
      });
    },
  );
});

describe('decodeSoundContainer()', () => {
  const spoolOptions = () => ({ ...AT_16K, tempFolder: folder.path });
  const leftBehind = async () =>
    (await readdir(folder.path)).filter((name) => name.startsWith('talkmesh-spool'));

  it('reads a container in pieces, also an m4a with its index at the end, and deletes it', async () => {
    const path = await folder.make('-i', sweep, '-c:a', 'alac', 'pieces.m4a');
    const bytes = await readFile(path);
    expect(join32(await collect(decodeSoundContainer(inPieces(bytes, 1_000, 7), spoolOptions())))).toEqual(
      whole,
    );
    expect(await leftBehind()).toEqual([]);
  });

  it('refuses one that is too large: MEDIA_TOO_LARGE', async () => {
    const sound = decodeSoundContainer(endless(1_000), { ...spoolOptions(), maxContainerBytes: 10_000 });
    await expect(collect(sound)).rejects.toMatchObject({ reason: 'MEDIA_TOO_LARGE' });
    expect(await leftBehind()).toEqual([]);
  });

  it('refuses playlists: MEDIA_FORMAT_REFUSED', async () => {
    const playlist = new TextEncoder().encode(
      '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n',
    );
    await expect(collect(decodeSoundContainer(inPieces(playlist, 9), spoolOptions()))).rejects.toMatchObject({
      reason: 'MEDIA_FORMAT_REFUSED',
    });
    expect(await leftBehind()).toEqual([]);
  });

  it('passes on what ends the stream of pieces, and deletes what it has', async () => {
    const broken = (async function* () {
      yield new Uint8Array(10);
      throw new Error('the caller has gone');
    })();
    await expect(collect(decodeSoundContainer(broken, spoolOptions()))).rejects.toThrow(
      'the caller has gone',
    );
    expect(await leftBehind()).toEqual([]);
  });
});

async function* endless(bytes: number): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(bytes);
}

/** By how many samples `b` lags behind `a`, from their correlation around the middle. */
function bestLag(a: Float32Array, b: Float32Array): number {
  let [best, lag] = [Number.NEGATIVE_INFINITY, 0];
  for (let shift = -1_500; shift <= 1_500; shift++) {
    let sum = 0;
    for (let i = 12_000; i < 16_000; i += 3) sum += a[i]! * (b[i + shift] ?? 0);
    if (sum > best) [best, lag] = [sum, shift];
  }
  return lag;
}
