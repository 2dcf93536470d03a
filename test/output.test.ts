/** What comes out: containers, rates, sizes, and sound that stays with its pictures. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Container } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { parseConfig } from '#lib/config/parse.ts';
import { COMMON_FIELDS } from '#mesh/config-fields.ts';
import { createRenderPipeline, type RenderPipeline } from '#mesh/render-pipeline.ts';
import { DEMO_FACE_VIDEO, ffmpeg, makePhoto, makeVoice } from './support/clips.ts';
import { filesBelow } from './support/leftovers.ts';
import { createFolder, type TestFolder, TINY } from './support/mesh-process.ts';
import { meanColours, soundLagsS, videoFacts } from './support/videos.ts';

const HALF_A_FRAME_S = 0.02;
const NOBODY = new AbortController().signal;

let folder: TestFolder;
let temp: string;
let pipeline: RenderPipeline;
let face: string;
let voice: string;

beforeAll(async () => {
  folder = await createFolder();
  temp = join(folder.path, 'temp');
  await mkdir(temp);
  face = await makePhoto(folder.path, 256);
  voice = await makeVoice(folder.path, 2);
  pipeline = await createRenderPipeline(parseConfig(COMMON_FIELDS, { ...TINY, TALKMESH_TEMP_FOLDER: temp }));
});
afterAll(async () => {
  await pipeline?.close();
  await folder.remove();
});

interface OutputChoice {
  readonly container?: Container;
  readonly frameRate?: { readonly numerator: number; readonly denominator: number };
}

async function render(
  source: string,
  sound: string,
  name: string,
  output: OutputChoice = {},
): Promise<string> {
  const { assets, compositor } = pipeline;
  const request = {
    sourceAssetId: await assets.register(source, NOBODY),
    voiceAssetId: await assets.register(sound, NOBODY),
    output,
  };
  const pieces: Uint8Array[] = [];
  for await (const { part } of compositor.render(request)) {
    if (part.case === 'media') pieces.push(part.value);
  }
  const path = join(folder.path, name);
  await writeFile(path, Buffer.concat(pieces));
  expect(await filesBelow(temp)).toEqual([]);
  return path;
}

/** Pictures at exact times, sound as long as they are, and where it was in the voice. */
async function expectInSync(
  path: string,
  sound: string,
  frameCount: number,
  framesPerSecond = 25,
): Promise<void> {
  const { frameTimesS, soundEndS } = await videoFacts(path);
  // WebM's clock ticks in milliseconds, and begins with the 6.5 ms that Opus needs.
  const times = Array.from({ length: frameCount }, (_, i) => expect.closeTo(i / framesPerSecond, 2));
  expect(frameTimesS.map((time) => time - frameTimesS[0]!)).toEqual(times);
  expect(frameTimesS[0]).toBeLessThan(HALF_A_FRAME_S);
  expect(Math.abs(soundEndS - frameCount / framesPerSecond)).toBeLessThan(2 * HALF_A_FRAME_S);
  for (const lag of await soundLagsS(path, sound)) expect(Math.abs(lag)).toBeLessThan(HALF_A_FRAME_S);
}

describe('the output', () => {
  it('stays in sync to half a frame over a minute', { timeout: 300_000 }, async () => {
    const long = await makeVoice(folder.path, 60);
    const path = await render(face, long, 'minute.mp4');
    await expectInSync(path, long, 1500);
    expect(await videoFacts(path)).toMatchObject({
      video: { codec_name: 'h264', pix_fmt: 'yuv420p', avg_frame_rate: '25/1' },
      audio: { codec_name: 'aac' },
      durationS: expect.closeTo(60, 1),
    });
  });

  it.each([
    ['WebM', Container.WEBM, 'clip.webm', 'vp9', 'opus'],
    ['fragmented MP4', Container.FRAGMENTED_MP4, 'clip.mp4', 'h264', 'aac'],
  ] as const)('is %s when asked', async (_, container, name, video, audio) => {
    const path = await render(face, voice, name, { container });
    expect(await videoFacts(path)).toMatchObject({
      video: { codec_name: video },
      audio: { codec_name: audio },
    });
    await expectInSync(path, voice, 50);
  });

  it.each([50, 60])('is interpolated to %d frames a second when asked', async (numerator) => {
    const short = await makeVoice(folder.path, 1);
    const path = await render(face, short, `fps-${numerator}.mp4`, {
      frameRate: { numerator, denominator: 1 },
    });
    expect((await videoFacts(path)).video.avg_frame_rate).toBe(`${numerator}/1`);
    await expectInSync(path, short, numerator, numerator);
  });

  it('counts a frame for every 40 ms that the voice begins', async () => {
    const odd = await makeVoice(folder.path, 0.421);
    expect((await videoFacts(await render(face, odd, 'odd.mp4'))).frameTimesS).toHaveLength(11);
  });

  it('has even edges when the source has not, and no larger ones than 1920', async () => {
    const short = await makeVoice(folder.path, 0.2);
    const uneven = join(folder.path, 'uneven.png');
    await ffmpeg('-i', face, '-vf', 'scale=321:255', uneven);
    expect((await videoFacts(await render(uneven, short, 'even.mp4'))).video).toMatchObject({
      width: 320,
      height: 254,
    });
    const large = await makePhoto(folder.path, 2400, 'large.png');
    expect((await videoFacts(await render(large, short, 'large.mp4'))).video).toMatchObject({
      width: 1920,
      height: 1920,
    });
  });

  it.each([
    ['mp3', ['-c:a', 'libmp3lame']],
    ['m4a', ['-c:a', 'aac']],
    ['ogg', ['-c:a', 'libopus']],
    ['flac', ['-c:a', 'flac', '-ar', '192000', '-ac', '6']],
    ['wav', ['-c:a', 'pcm_s16le', '-ar', '8000']],
  ] as const)('is in sync with a voice in %s', async (extension, options) => {
    const coded = join(folder.path, `coded.${extension}`);
    await ffmpeg('-i', voice, ...options, coded);
    const path = await render(face, coded, `from-${extension}.mp4`);
    const { frameTimesS, soundEndS } = await videoFacts(path);
    // Codecs that pad make the voice up to 50 ms longer.
    expect(frameTimesS.length).toBeGreaterThanOrEqual(50);
    expect(frameTimesS.length).toBeLessThanOrEqual(52);
    expect(Math.abs(soundEndS - frameTimesS.length / 25)).toBeLessThan(2 * HALF_A_FRAME_S);
    for (const lag of await soundLagsS(path, voice)) expect(Math.abs(lag)).toBeLessThan(HALF_A_FRAME_S);
  });

  it('keeps a voice where it is in a video whose sound starts late', async () => {
    const late = join(folder.path, 'late.mkv');
    const inputs = ['-i', DEMO_FACE_VIDEO, '-itsoffset', '0.5', '-i', voice];
    await ffmpeg(...inputs, '-map', '0:v', '-map', '1:a', '-t', '2.5', '-c:v', 'copy', '-c:a', 'flac', late);
    const path = await render(face, late, 'late.mp4');
    const [start, end] = await soundLagsS(path, late);
    expect(Math.abs(start)).toBeLessThan(HALF_A_FRAME_S);
    expect(Math.abs(end)).toBeLessThan(HALF_A_FRAME_S);
  });

  it('plays a source that is shorter than the voice forth and back', async () => {
    // A second that grows brighter from frame to frame.
    const brightening = join(folder.path, 'brightening.mp4');
    const level = 'color=gray:s=256x256:r=25:d=1,format=yuv420p,geq=lum=60+5*N:cb=128:cr=128';
    await ffmpeg('-f', 'lavfi', '-i', level, '-c:v', 'libx264', '-qp', '0', brightening);
    const path = await render(brightening, voice, 'forth-and-back.mp4');
    const corner = await meanColours(path, { x: 0, y: 0, width: 16, height: 16 });
    const expected = Array.from({ length: 50 }, (_, i) => (i < 25 ? i : 48 - i));
    const original = await meanColours(brightening, { x: 0, y: 0, width: 16, height: 16 });
    corner.forEach(([, green], i) => {
      expect(Math.abs(green - original[Math.abs(expected[i]!)]![1]), `frame ${i}`).toBeLessThan(2.5);
    });
  });

  it('takes its source from a video file by its content, whatever its name says', async () => {
    const disguised = join(folder.path, 'face.jpg.txt');
    await copyFile(face, disguised);
    const short = await makeVoice(folder.path, 0.2);
    expect((await videoFacts(await render(disguised, short, 'disguised.mp4'))).frameTimesS).toHaveLength(5);
  });
});
