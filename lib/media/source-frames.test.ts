import { readdir } from 'node:fs/promises';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFrames } from './frames.ts';
import {
  mirrorIndex,
  openSourceFrames,
  type SourceFrame,
  type SourceFramesOptions,
} from './source-frames.ts';
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
const COUNT = 12;

let folder: TestFolder;
let clip: string;
beforeAll(async () => {
  folder = await createTestFolder();
  clip = await folder.make(
    ...countingPictures(COUNT, { size: '65x47' }),
    '-pix_fmt',
    'yuv444p',
    ...LOSSLESS,
    'clip.mp4',
  );
});
afterAll(() => folder.remove());

async function take(
  path: string,
  count: number,
  options: Partial<SourceFramesOptions> = {},
): Promise<SourceFrame[]> {
  const taken: SourceFrame[] = [];
  const defaults = { frameRate: FPS25, playback: 'forth-and-back', tempFolder: folder.path } as const;
  for await (const frame of openSourceFrames(path, { ...defaults, ...options })) {
    taken.push(frame);
    if (taken.length === count) break;
  }
  expect(await ffmpegChildren()).toEqual([]);
  expect((await readdir(folder.path)).filter((name) => name.startsWith('talkmesh-mezzanine'))).toEqual([]);
  return taken;
}

describe('mirrorIndex()', () => {
  it('goes 0 … N-1, N-2 … 1, 0 …', () => {
    expect(Array.from({ length: 11 }, (_, i) => mirrorIndex(i, 4))).toEqual([
      0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2,
    ]);
    expect([0, 1, 2, 3].map((i) => mirrorIndex(i, 2))).toEqual([0, 1, 0, 1]);
    expect([0, 1, 2].map((i) => mirrorIndex(i, 1))).toEqual([0, 0, 0]);
  });

  it('moves by one frame at most and stays inside', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 500 }), (index, count) => {
        const [now, next] = [mirrorIndex(index, count), mirrorIndex(index + 1, count)];
        expect(now).toBeGreaterThanOrEqual(0);
        expect(now).toBeLessThan(count);
        expect(Math.abs(next - now)).toBe(count === 1 ? 0 : 1);
      }),
    );
  });
});

describe('openSourceFrames()', () => {
  it('plays once and ends', async () => {
    const frames = await collect(openSourceFrames(clip, { frameRate: FPS25, playback: 'once' }));
    expect(frames.map((frame) => frame.sourceIndex)).toEqual(Array.from({ length: COUNT }, (_, i) => i));
  });

  it.each([
    ['decoding to disk as it goes', {}],
    ['expecting a source that is long enough, and being wrong', { framesWanted: 1 }],
  ])('plays forth and back with bit-equal frames: %s', async (what, options) => {
    // A file that declares 100 s makes the expectation wrong.
    const path = what.startsWith('expecting') ? await declareLonger() : clip;
    const once = await collect(openFrames(clip, { frameRate: FPS25 }));
    const frames = await take(path, 3 * COUNT, options);
    for (const [i, frame] of frames.entries()) {
      expect(frame.index).toBe(i);
      expect(frame.sourceIndex).toBe(mirrorIndex(i, COUNT));
      expect(frame.data).toEqual(once[frame.sourceIndex]!.data);
      expect(countOf(frame)).toBe(frame.sourceIndex);
    }
  });

  it.each([0, 5, COUNT, 2 * COUNT + 3])(
    'resumes at frame %d with the frames of an unbroken run',
    async (startFrame) => {
      const unbroken = await take(clip, startFrame + COUNT);
      expect(await take(clip, COUNT, { startFrame })).toEqual(unbroken.slice(startFrame));
      expect(await take(clip, COUNT, { startFrame, framesWanted: 1 })).toEqual(unbroken.slice(startFrame));
    },
  );

  it('uses no disk for a source that is long enough', async () => {
    const long = await folder.make(...countingPictures(75), ...LOSSLESS, 'long.mp4');
    const frames = await take(long, 30, { framesWanted: 30, maxMezzanineBytes: 1 });
    expect(frames.map(countOf)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it('repeats a photograph and a video of one frame', async () => {
    const photo = folder.file('photo.png');
    await sharp({ create: { width: 5, height: 3, channels: 3, background: '#0a0b0c' } }).toFile(photo);
    const still = await take(photo, 5);
    expect(still.map((frame) => [frame.index, frame.sourceIndex])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 0],
    ]);
    expect(still[4]!.data).toBe(still[0]!.data);
    expect((await take(photo, 1, { startFrame: 7 }))[0]).toMatchObject({ index: 7, sourceIndex: 0 });
    expect(await collect(openSourceFrames(photo, { frameRate: FPS25, playback: 'once' }))).toHaveLength(1);
    const single = await folder.make(...countingPictures(1), ...LOSSLESS, 'single.mp4');
    expect((await take(single, 4)).map((frame) => frame.sourceIndex)).toEqual([0, 0, 0, 0]);
  });

  it('leaves no name on the disk while it plays, so that a killed process leaves no file', async () => {
    const options = { frameRate: FPS25, playback: 'forth-and-back', tempFolder: folder.path } as const;
    const frames = openSourceFrames(clip, options);
    await frames.next();
    expect((await readdir(folder.path)).filter((name) => name.startsWith('talkmesh-mezzanine'))).toEqual([]);
    await frames.return(undefined);
  });

  it('scales every pass alike', async () => {
    const frames = await take(clip, 2 * COUNT, { maxEdgePx: 33 });
    expect(frames[0]).toMatchObject({ width: 33, height: 24 });
    expect(frames[COUNT]!.data).toEqual(frames[COUNT - 2]!.data);
  });

  it('refuses to fill the disk: SOURCE_TOO_LONG_TO_MIRROR', async () => {
    const pictureBytes = 65 * 47 + 2 * 33 * 24;
    await expect(take(clip, 2 * COUNT, { maxMezzanineBytes: 5 * pictureBytes })).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'SOURCE_TOO_LONG_TO_MIRROR',
    });
    expect(await take(clip, COUNT, { maxMezzanineBytes: 5 * pictureBytes })).toHaveLength(COUNT);
  });

  it('reports a folder that it cannot use and leaves nothing behind', async () => {
    await expect(take(clip, 1, { tempFolder: folder.file('nowhere') })).rejects.toMatchObject({
      reason: 'MEDIA_IO_FAILED',
    });
  });

  it('stops on abort while it plays backwards', async () => {
    const controller = new AbortController();
    const frames = openSourceFrames(clip, {
      frameRate: FPS25,
      playback: 'forth-and-back',
      signal: controller.signal,
      tempFolder: folder.path,
    });
    for (let i = 0; i < COUNT + 3; i++) await frames.next();
    controller.abort();
    await expect(collect(frames)).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    expect(await ffmpegChildren()).toEqual([]);
  });
});

/** The clip with a sound track of 100 s, which makes the container say 100 s. */
async function declareLonger(): Promise<string> {
  return folder.make(
    '-i',
    clip,
    '-f',
    'lavfi',
    '-i',
    'sine=r=8000:d=100',
    '-c:v',
    'copy',
    '-c:a',
    'flac',
    'longer.mkv',
  );
}
