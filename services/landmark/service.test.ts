/** The service over the untrained bundle `tiny` (one centred face, always the same), real ONNX and real ffmpeg. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  LandmarkService,
  type TrackedFrame,
  type TrackResponse,
} from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { openCatalog } from '#lib/inference/catalog.ts';
import { createInferenceRuntime, type InferenceRuntime } from '#lib/inference/runtime.ts';
import { createLocalAssets, type LocalAssets } from '#lib/media/assets.ts';
import { openFrames } from '#lib/media/frames.ts';
import {
  collect,
  createTestFolder,
  ffmpegChildren,
  LOSSLESS,
  type TestFolder,
} from '#lib/media/test-media.ts';
import { warpAffineRgb } from '#lib/media/warp.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { DEFAULT_LANDMARK_CONFIG, type LandmarkConfig } from './config.ts';
import { createLandmarkService } from './service.ts';
import { meanFace } from './testing/mean-face.ts';

const bundles = fileURLToPath(new URL('../../test/bundles', import.meta.url));

let folder: TestFolder;
let runtime: InferenceRuntime;
let assets: LocalAssets;
let client: ServiceClient<typeof LandmarkService>;
let connect: (config: LandmarkConfig) => ServiceClient<typeof LandmarkService>;
let openAssets = 0;
let video: string;
let runCount = 0;

beforeAll(async () => {
  folder = await createTestFolder();
  const catalog = await openCatalog({ folders: [bundles], defaultBundle: 'tiny' });
  runtime = await createInferenceRuntime(
    { provider: 'cpu', threadCount: 1 },
    {
      onRun: () => {
        runCount++;
      },
    },
  );
  assets = createLocalAssets();
  const counted = {
    open: async (id: string, signal: AbortSignal) => {
      const asset = await assets.open(id, signal);
      openAssets++;
      return {
        ...asset,
        close: async () => {
          openAssets--;
          await asset.close();
        },
      };
    },
  };
  connect = (config) =>
    local(LandmarkService, createLandmarkService(config, { catalog, runtime, assets: counted }), {
      roundTrip: true,
    });
  client = connect(DEFAULT_LANDMARK_CONFIG);
  const source = 'testsrc2=s=320x240:r=25:d=0.8';
  video = await assets.register(await folder.make('-f', 'lavfi', '-i', source, ...LOSSLESS, 'pattern.mp4'));
});

afterAll(async () => {
  await runtime.close();
  await folder.remove();
});

async function still(name: string, size: string): Promise<string> {
  return folder.make('-f', 'lavfi', '-i', `testsrc2=s=${size}`, '-frames:v', '1', name);
}

function framesOf(responses: readonly TrackResponse[]): TrackedFrame[] {
  return responses.flatMap(({ part }) => (part.case === 'frame' ? [part.value] : []));
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof Fault)) throw new Error('no fault', { cause: error });
  return error.reason;
}

/** The face that `tiny` sees: box [52, 44, 140, 148] of 192, the mean face in the square of 1.5 times its side. */
function expectedPoint(index: number, letterboxPx: number, top: number): [x: number, y: number] {
  const [x, y] = [meanFace()[2 * index]!, meanFace()[2 * index + 1]!];
  const scale = 104 / (416.61 - 137.38);
  const place = (value: number, middle: number): number =>
    ((96 + (value - middle) * scale) * letterboxPx) / 192;
  return [place(x, 256), place(y, (137.38 + 416.61) / 2) - top];
}

describe('Track', () => {
  it('measures a photograph once: header, one frame, summary', async () => {
    const assetId = await assets.register(await still('photo.png', '300x200'));
    const responses = await collect(client.track({ bundle: 'tiny', assetId }));
    expect(responses.map(({ part }) => part.case)).toEqual(['started', 'frame', 'summary']);
    const [started, frame, summary] = responses.map(({ part }) => part.value);
    expect(started).toMatchObject({
      width: 300,
      height: 200,
      still: true,
      frameRate: { numerator: 25, denominator: 1 },
    });
    expect(frame).toMatchObject({ frameIndex: 0n, confidence: 1, interpolated: false });
    expect(summary).toMatchObject({ frameCount: 1n, interpolatedCount: 0n });
  });

  it('gives landmarks in source pixels and maps the anchors onto the template', async () => {
    const assetId = await assets.register(await still('place.png', '300x200'));
    const [frame] = framesOf(await collect(client.track({ bundle: 'tiny', assetId })));
    for (const index of [8, 30, 36, 45]) {
      const [x, y] = expectedPoint(index, 300, 50);
      expect(frame!.landmarks[index]!.x).toBeCloseTo(x, 0);
      expect(frame!.landmarks[index]!.y).toBeCloseTo(y, 0);
    }
    const { xx, xy, x0, yx, yy, y0 } = frame!.transform!;
    const { x, y } = frame!.landmarks[30]!;
    expect(xx * x + xy * y + x0).toBeCloseTo(256, 0);
    expect(yx * x + yy * y + y0).toBeCloseTo(255.47, 0);
    expect(frame!.visibleLandmarks!.shape).toEqual([30n, 2n]);
    expect(frame!.maskPolygon).toHaveLength(22);
    expect([frame!.crop, frame!.imageMask, frame!.latentMask]).toEqual([undefined, undefined, undefined]);
  });

  it('gives every frame of a video once and in order', async () => {
    const responses = await collect(client.track({ bundle: 'tiny', assetId: video }));
    expect(framesOf(responses).map(({ frameIndex }) => Number(frameIndex))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
    expect(responses.at(-1)!.part.value).toMatchObject({ frameCount: 20n, interpolatedCount: 0n });
  });

  it('reads at the rate that is asked for, and no further than the limit', async () => {
    const request = { bundle: 'tiny', assetId: video };
    const fast = await collect(client.track({ ...request, frameRate: { numerator: 50, denominator: 1 } }));
    expect(framesOf(fast)).toHaveLength(40);
    const limited = await collect(client.track({ ...request, frameLimit: 7n }));
    expect(framesOf(limited)).toHaveLength(7);
    expect(framesOf(limited)).toEqual(framesOf(await collect(client.track(request))).slice(0, 7));
  });

  it('cuts the crop from the full-size frame, and draws both masks, when asked', async () => {
    const request = {
      bundle: 'tiny',
      assetId: video,
      includeCrop: true,
      includeMasks: true,
      frameLimit: 12n,
    };
    const frames = framesOf(await collect(client.track(request)));
    const path = folder.file('pattern.mp4');
    const sources = await collect(openFrames(path, { frameRate: { numerator: 25, denominator: 1 } }));
    for (const [i, { crop, transform, imageMask, latentMask }] of frames.entries()) {
      const expected = warpAffineRgb(sources[i]!, transform!, { width: 512, height: 512 });
      expect(Buffer.compare(crop!.data, expected.data)).toBe(0);
      expect([imageMask!.width, imageMask!.height, imageMask!.data.length]).toEqual([512, 512, 512 * 512]);
      expect([latentMask!.width, latentMask!.height, latentMask!.data.length]).toEqual([32, 32, 1024]);
      expect(latentMask!.data.includes(255)).toBe(true);
    }
  });

  it('stops decoding and inference while the caller does not read', async () => {
    const source = 'testsrc2=s=320x240:r=25:d=12';
    const long = await folder.make('-f', 'lavfi', '-i', source, ...LOSSLESS, 'long.mp4');
    const assetId = await assets.register(long);
    const iterator = client.track({ bundle: 'tiny', assetId })[Symbol.asyncIterator]();
    for (let i = 0; i < 4; i++) await iterator.next();
    await sleep(150);
    const before = runCount;
    await sleep(400);
    expect(runCount).toBe(before);
    expect(await ffmpegChildren()).toHaveLength(1);
    await iterator.return?.();
    await expect.poll(() => ffmpegChildren()).toEqual([]);
    expect(openAssets).toBe(0);
  });

  it('ends with the caller: CALLER_CANCELLED and DEADLINE_EXCEEDED, nothing left behind', async () => {
    const abort = new AbortController();
    const cancelled = collect(client.track({ bundle: 'tiny', assetId: video }, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 60);
    expect(await reasonOf(cancelled)).toBe('CALLER_CANCELLED');
    const late = collect(client.track({ bundle: 'tiny', assetId: video }, { timeoutMs: 1 }));
    expect(await reasonOf(late)).toBe('DEADLINE_EXCEEDED');
    await expect.poll(() => ffmpegChildren()).toEqual([]);
    await expect.poll(() => openAssets).toBe(0);
  });

  it.each([
    ['BUNDLE_REQUIRED', { bundle: '' }],
    ['BUNDLE_UNKNOWN', { bundle: 'nobody' }],
    ['ASSET_ID_INVALID', { assetId: '../../etc/passwd' }],
    ['ASSET_MISSING', { assetId: `sha256:${'0'.repeat(64)}` }],
    ['FRAME_RATE_OUT_OF_RANGE', { frameRate: { numerator: 240_000, denominator: 1 } }],
    ['FRAME_RATE_OUT_OF_RANGE', { frameRate: { numerator: -25, denominator: 1 } }],
    ['FRAME_RATE_OUT_OF_RANGE', { frameRate: { numerator: 25, denominator: -1 } }],
    ['FRAME_LIMIT_NEGATIVE', { frameLimit: -1n }],
    [
      'FACE_CHOICE_INVALID',
      { faceChoice: { choice: { case: 'point' as const, value: { x: Number.NaN, y: 1 } } } },
    ],
    ['FACE_CHOICE_EMPTY', { faceChoice: { choice: { case: 'point' as const, value: { x: 3, y: 3 } } } }],
  ])('refuses a request with %s', async (reason, part) => {
    const request = { bundle: 'tiny', assetId: video, ...part };
    expect(await reasonOf(collect(client.track(request)))).toBe(reason);
    expect(openAssets).toBe(0);
  });

  it('follows the face that is pointed at', async () => {
    const value = { x: 160, y: 120 };
    const faceChoice = { choice: { case: 'point' as const, value } };
    const responses = await collect(
      client.track({ bundle: 'tiny', assetId: video, faceChoice, frameLimit: 2n }),
    );
    expect(framesOf(responses)).toHaveLength(2);
  });

  it.each([
    [
      'PICTURE_TOO_SMALL',
      'a 1x1 photograph',
      ['-f', 'lavfi', '-i', 'color=s=64x64', '-vf', 'scale=1:1', '-frames:v', '1', 'dot.png'],
    ],
    ['MEDIA_NO_PICTURE', 'sound', ['-f', 'lavfi', '-i', 'sine=d=0.2', 'tone.wav']],
  ])('refuses a source with %s: %s', async (reason, _, make) => {
    const assetId = await assets.register(await folder.make(...make));
    expect(await reasonOf(collect(client.track({ bundle: 'tiny', assetId })))).toBe(reason);
    expect(openAssets).toBe(0);
  });

  it('refuses a face that is too small: FACE_TOO_SMALL', async () => {
    const assetId = await assets.register(await still('small.png', '34x34'));
    expect(await reasonOf(collect(client.track({ bundle: 'tiny', assetId })))).toBe('FACE_TOO_SMALL');
  });
});

describe('Detect', () => {
  it('gives every face with its box, landmarks and their visibility, in picture pixels', async () => {
    const image = await readFile(await still('detect.jpg', '380x190'));
    const { faces, width, height } = await client.detect({ bundle: 'tiny', image });
    expect([width, height]).toEqual([380, 190]);
    const [face] = faces;
    expect(face!.topLeft!.x).toBeCloseTo(expectedPoint(0, 380, 95)[0], 0);
    expect(face!.bottomRight!.y).toBeCloseTo(expectedPoint(8, 380, 95)[1], 0);
    expect(face!.visibility).toHaveLength(68);
    const [x, y] = expectedPoint(30, 380, 95);
    expect(face!.landmarks[30]!.x).toBeCloseTo(x, 0);
    expect(face!.landmarks[30]!.y).toBeCloseTo(y, 0);
  });

  it('refuses what is not a picture', async () => {
    const detect = (image: Uint8Array, on = client): Promise<string> =>
      reasonOf(on.detect({ bundle: 'tiny', image }));
    expect(await detect(new Uint8Array())).toBe('MEDIA_EMPTY');
    expect(await detect(Buffer.from('not a picture at all'))).toBe('MEDIA_UNREADABLE');
    expect(await detect(await readFile(folder.file('pattern.mp4')))).toBe('IMAGE_NOT_A_PHOTOGRAPH');
    expect(await detect(await readFile(await still('tiny.png', '20x20')))).toBe('PICTURE_TOO_SMALL');
    const strict = connect({ ...DEFAULT_LANDMARK_CONFIG, maxImageBytes: 100 });
    expect(await detect(await readFile(folder.file('tiny.png')), strict)).toBe('IMAGE_TOO_LARGE');
  });
});
