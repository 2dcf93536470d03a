import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFrames } from './frames.ts';
import type { RgbFrame } from './rgb-frame.ts';
import {
  collect,
  countingPictures,
  countOf,
  createTestFolder,
  ffmpegChildren,
  LOSSLESS,
  type TestFolder,
} from './test-media.ts';

const FPS25 = { numerator: 25, denominator: 1 };

let folder: TestFolder;
let clip: string;
beforeAll(async () => {
  folder = await createTestFolder();
  clip = await folder.make(...countingPictures(40), ...LOSSLESS, 'clip.mp4');
});
afterAll(() => folder.remove());

const counts = (frames: readonly RgbFrame[]) => frames.map(countOf);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('openFrames()', () => {
  it('gives every picture once, in order', async () => {
    const frames = await collect(openFrames(clip, { frameRate: FPS25 }));
    expect(counts(frames)).toEqual(range(0, 40));
    expect(frames.map((frame) => frame.index)).toEqual(range(0, 40));
    expect(frames[0]).toMatchObject({ width: 64, height: 48 });
    expect(frames[0]!.data.length).toBe(64 * 48 * 3);
  });

  it('repeats and drops pictures for another rate', async () => {
    const double = await collect(openFrames(clip, { frameRate: { numerator: 50, denominator: 1 } }));
    expect(counts(double)).toEqual(range(0, 80).map((i) => Math.floor(i / 2)));
    const fast = await folder.make(...countingPictures(60, { rate: 50 }), ...LOSSLESS, 'fast.mp4');
    const half = counts(await collect(openFrames(fast, { frameRate: FPS25 })));
    expect(half.length).toBe(30);
    for (const [i, count] of half.entries()) expect(Math.abs(count - 2 * i)).toBeLessThanOrEqual(1);
    const film = await collect(openFrames(clip, { frameRate: { numerator: 30_000, denominator: 1001 } }));
    expect(film.length).toBe(48);
  });

  it('puts the first picture at 0 s, wherever the file starts it', async () => {
    const late = await folder.make(
      '-itsoffset',
      '3',
      '-i',
      clip,
      '-f',
      'lavfi',
      '-i',
      'sine=d=4',
      '-map',
      '0:v',
      '-map',
      '1:a',
      '-c:v',
      'copy',
      'late.mkv',
    );
    expect(counts(await collect(openFrames(late, { frameRate: FPS25 })))).toEqual(range(0, 40));
  });

  it('starts at any frame with the same bytes, at any size with the same indices', async () => {
    const whole = await collect(openFrames(clip, { frameRate: FPS25 }));
    const rest = await collect(openFrames(clip, { frameRate: FPS25, startFrame: 33 }));
    expect(rest).toEqual(whole.slice(33));
    expect(await collect(openFrames(clip, { frameRate: FPS25, startFrame: 40 }))).toEqual([]);
    const small = await collect(openFrames(clip, { frameRate: FPS25, maxEdgePx: 32 }));
    expect(small[0]).toMatchObject({ width: 32, height: 24 });
    expect(counts(small)).toEqual(counts(whole));
  });

  it('gives the same bytes each time', async () => {
    const pictures = ['-f', 'lavfi', '-i', 'testsrc=s=173x97:r=25:d=1'];
    const path = await folder.make(...pictures, '-c:v', 'libx264', '-pix_fmt', 'yuv444p', 'rough.mp4');
    const first = await collect(openFrames(path, { frameRate: FPS25 }));
    expect(first[0]).toMatchObject({ width: 173, height: 97 });
    expect(await collect(openFrames(path, { frameRate: FPS25 }))).toEqual(first);
  });

  it('obeys rotation', async () => {
    const top = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'color=black:s=96x48:r=25:d=0.2,drawbox=w=96:h=24:c=white:t=fill',
      ...LOSSLESS,
      '-pix_fmt',
      'yuv420p',
      'top.mp4',
    );
    const turned = await folder.make('-i', top, '-c', 'copy', '-metadata:s:v', 'rotate=90', 'turned.mp4');
    const [frame] = await collect(openFrames(turned, { frameRate: FPS25 }));
    expect(frame).toMatchObject({ width: 48, height: 96 });
    const red = (x: number, y: number) => frame!.data[(y * 48 + x) * 3]!;
    expect([red(5, 50), red(43, 50)].sort((a, b) => a - b)).toEqual([0, 255]);
    expect(red(5, 10)).toBe(red(5, 90));
  });

  it.each([
    ['bt709', 'bt709'],
    ['bt601', 'smpte170m'],
  ])('reads %s colours by their tag', async (matrix, tag) => {
    const colour = 'color=0xC04020:s=64x64:r=25:d=0.2,format=rgb24';
    const path = await folder.make(
      ...['-f', 'lavfi', '-i', colour, '-vf', `scale=out_color_matrix=${matrix}:out_range=tv,format=yuv420p`],
      ...[...LOSSLESS, '-colorspace', tag, '-color_range', 'tv', `${matrix}.mp4`],
    );
    const [frame] = await collect(openFrames(path, { frameRate: FPS25 }));
    const [r, g, b] = frame!.data.subarray(0, 3);
    expect(Math.abs(r! - 0xc0) + Math.abs(g! - 0x40) + Math.abs(b! - 0x20)).toBeLessThanOrEqual(6);
  });

  it('brings HLG pictures down to standard range', async () => {
    const path = await folder.make(
      ...[
        '-f',
        'lavfi',
        '-i',
        'color=0x808080:s=64x64:r=25:d=0.2',
        '-pix_fmt',
        'yuv420p10le',
        '-c:v',
        'libx265',
        '-x265-params',
        'log-level=none',
      ],
      ...['-color_primaries', 'bt2020', '-color_trc', 'arib-std-b67', '-colorspace', 'bt2020nc', 'hlg.mp4'],
    );
    const [frame] = await collect(openFrames(path, { frameRate: FPS25 }));
    const [r, g, b] = frame!.data.subarray(0, 3);
    expect(Math.max(r!, g!, b!) - Math.min(r!, g!, b!)).toBeLessThanOrEqual(3);
    expect(r).toBeGreaterThan(60);
    expect(r).toBeLessThan(240);
  });

  it('holds ffmpeg back while nobody asks, and ends it when the caller stops', async () => {
    const long = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=640x360:r=25:d=40',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      'long.mp4',
    );
    const frames = openFrames(long, { frameRate: FPS25 });
    await frames.next();
    await sleep(300);
    expect(await ffmpegChildren()).toHaveLength(1);
    await frames.return(undefined);
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('ends ffmpeg on abort, with the reason of the signal', async () => {
    const controller = new AbortController();
    const frames = openFrames(folder.file('long.mp4'), { frameRate: FPS25, signal: controller.signal });
    await frames.next();
    controller.abort();
    await expect(collect(frames)).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('reports FFMPEG_KILLED when ffmpeg is killed between two frames', async () => {
    const frames = openFrames(folder.file('long.mp4'), { frameRate: FPS25 });
    await frames.next();
    process.kill((await ffmpegChildren())[0]!, 'SIGKILL');
    await expect(collect(frames)).rejects.toMatchObject({ kind: 'unavailable', reason: 'FFMPEG_KILLED' });
  });

  it('survives a stream that changes its size midway', async () => {
    const small = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=64x48:r=25:d=0.4',
      '-c:v',
      'libx264',
      '-f',
      'mpegts',
      'a.ts',
    );
    const large = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=128x96:r=25:d=0.4',
      '-c:v',
      'libx264',
      '-output_ts_offset',
      '0.4',
      '-f',
      'mpegts',
      'b.ts',
    );
    await writeFile(folder.file('both.ts'), Buffer.concat([await readFile(small), await readFile(large)]));
    const frames = await collect(openFrames(folder.file('both.ts'), { frameRate: FPS25 }));
    expect(frames.length).toBeGreaterThanOrEqual(18);
    expect(frames.every((frame) => frame.width === 64 && frame.data.length === 64 * 48 * 3)).toBe(true);
  });

  it('refuses sound: MEDIA_NO_PICTURE', async () => {
    const sound = await folder.make('-f', 'lavfi', '-i', 'sine=d=1', 'sound.wav');
    await expect(collect(openFrames(sound, { frameRate: FPS25 }))).rejects.toMatchObject({
      reason: 'MEDIA_NO_PICTURE',
    });
  });

  it('refuses files that hold more than they declare: MEDIA_TOO_LONG', async () => {
    await expect(
      collect(openFrames(clip, { frameRate: FPS25, limits: { maxDurationS: 1 } })),
    ).rejects.toMatchObject({ reason: 'MEDIA_TOO_LONG' });
  });
});
