import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFault } from '#lib/fault/fault.ts';
import { startSegmentEncoder, type VideoCodec } from './encode-segment.ts';
import { DEFAULT_TOOLS } from './media-input.ts';
import { type ClipContainer, muxClip } from './mux.ts';

const SIZE = { width: 96, height: 64 };
const FORMAT = { ...SIZE, frameRate: { numerator: 25, denominator: 1 } };
const signal = new AbortController().signal;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'talkmesh-mux-'));
  const sine = [
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=440:duration=1',
    '-ar',
    '48000',
    join(folder, 'voice.wav'),
  ];
  execFileSync('ffmpeg', ['-loglevel', 'error', ...sine]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function grey(level: number): Uint8Array {
  return new Uint8Array(SIZE.width * SIZE.height * 3).fill(level);
}

/** A segment whose frame i is a flat grey of 40 + 4 * (first + i). */
async function segment(name: string, first: number, count: number, codec: VideoCodec): Promise<string> {
  const path = join(folder, name);
  const encoder = startSegmentEncoder({
    path,
    format: FORMAT,
    codec,
    constantRateFactor: 18,
    tools: DEFAULT_TOOLS,
    signal,
  });
  for (let i = 0; i < count; i++) await encoder.write(grey(40 + 4 * (first + i)));
  await encoder.finish();
  return path;
}

function probe(path: string): { streams: Record<string, unknown>[]; format: { duration: string } } {
  const args = ['-v', 'error', '-count_frames', '-show_streams', '-show_format', '-of', 'json', path];
  return JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' }));
}

/** The mean level of each frame. */
function levels(path: string): number[] {
  const args = ['-v', 'error', '-i', path, '-vf', 'scale=1:1', '-pix_fmt', 'rgb24', '-f', 'rawvideo', '-'];
  const bytes = execFileSync('ffmpeg', args);
  return [...bytes].filter((_, i) => i % 3 === 0);
}

async function muxed(container: ClipContainer, codec: VideoCodec, interpolateTo?: number): Promise<string> {
  const outputPath = join(folder, `clip-${container}-${interpolateTo ?? 25}`);
  await muxClip({
    segmentPaths: [
      await segment(`${container}-a`, 0, 10, codec),
      await segment(`${container}-b`, 10, 15, codec),
    ],
    voicePath: join(folder, 'voice.wav'),
    outputPath,
    listPath: join(folder, 'list.txt'),
    container,
    ...(interpolateTo === undefined
      ? {}
      : {
          interpolate: {
            frameRate: { numerator: interpolateTo, denominator: 1 },
            constantRateFactor: 18,
            frameCount: interpolateTo,
          },
        }),
    tools: DEFAULT_TOOLS,
    signal,
  });
  return outputPath;
}

describe('muxClip', () => {
  it('joins segments into H.264 and AAC that any player shows, frame for frame', async () => {
    const path = await muxed('mp4', 'h264');
    const { streams, format } = probe(path);
    expect(streams[0]).toMatchObject({
      codec_name: 'h264',
      pix_fmt: 'yuv420p',
      r_frame_rate: '25/1',
      nb_read_frames: '25',
      start_time: '0.000000',
      color_space: 'bt709',
      ...SIZE,
    });
    expect(streams[1]).toMatchObject({ codec_name: 'aac', sample_rate: '48000' });
    expect(Number(format.duration)).toBeCloseTo(1, 1);
    for (const [i, level] of levels(path).entries())
      expect(Math.abs(level - (40 + 4 * i))).toBeLessThanOrEqual(2);
  });

  it('puts the index first in MP4, so that it plays while it loads', async () => {
    const trace = execFileSync('ffprobe', ['-v', 'trace', await muxed('mp4', 'h264')], {
      stdio: 'pipe',
    }).toString();
    const boxes = execFileSync('bash', [
      '-c',
      `ffprobe -v trace '${await muxed('mp4', 'h264')}' 2>&1 | grep -o "type:'m[od][oa][vt]'"`,
    ]);
    expect(trace).toBe('');
    expect(boxes.toString().split('\n')[0]).toBe("type:'moov'");
  });

  it('writes VP9 and Opus in WebM', async () => {
    const { streams } = probe(await muxed('webm', 'vp9'));
    expect(streams[0]).toMatchObject({ codec_name: 'vp9', nb_read_frames: '25', ...SIZE });
    expect(streams[1]).toMatchObject({ codec_name: 'opus' });
  });

  it('starts pictures at 0 s in fragmented MP4, however far AAC begins before', async () => {
    const { streams } = probe(await muxed('fragmented-mp4', 'h264'));
    expect(streams[0]).toMatchObject({ start_time: '0.000000', nb_read_frames: '25' });
    expect(Number(streams[1]!.start_time)).toBeLessThan(0);
  });

  it.each([30, 50, 60])(
    'interpolates to %d frames a second and keeps the duration',
    async (framesPerSecond) => {
      const { streams } = probe(await muxed('mp4', 'h264', framesPerSecond));
      expect(streams[0]).toMatchObject({
        r_frame_rate: `${framesPerSecond}/1`,
        nb_read_frames: String(framesPerSecond),
        duration: '1.000000',
      });
    },
  );
});

describe('startSegmentEncoder', () => {
  it('gives the same bytes for the same frames', async () => {
    const [a, b] = [await segment('same-a', 3, 20, 'h264'), await segment('same-b', 3, 20, 'h264')];
    const sums = execFileSync('sha256sum', [a, b], { encoding: 'utf8' }).split('\n');
    expect(sums[0]!.slice(0, 64)).toBe(sums[1]!.slice(0, 64));
  });

  it('says so when its ffmpeg is not there, and does not hang', async () => {
    const encoder = startSegmentEncoder({
      path: join(folder, 'never.mp4'),
      format: FORMAT,
      codec: 'h264',
      constantRateFactor: 18,
      tools: { ...DEFAULT_TOOLS, ffmpegPath: '/nowhere/ffmpeg' },
      signal,
    });
    const write = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) await encoder.write(grey(1));
    };
    await expect(write()).rejects.toSatisfy((error) => isFault(error) && error.reason === 'FFMPEG_MISSING');
  });

  it('stops at once when the signal aborts', async () => {
    const stop = new AbortController();
    const path = join(folder, 'aborted.mp4');
    const encoder = startSegmentEncoder({
      path,
      format: FORMAT,
      codec: 'h264',
      constantRateFactor: 18,
      tools: DEFAULT_TOOLS,
      signal: stop.signal,
    });
    await encoder.write(grey(1));
    stop.abort();
    await expect(encoder.finish()).rejects.toSatisfy((error) => isFault(error) && error.kind === 'cancelled');
  });
});
