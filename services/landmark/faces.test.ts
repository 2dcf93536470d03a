/**
 * The service over the bundle that ships, f8-512, and the synthetic face that ships: what it makes of faces, and
 * of sources whose face cannot be used. Clips are made of the demo inputs by ffmpeg.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  LandmarkService,
  type TrackedFrame,
  type TrackRequestSchema,
} from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { openCatalog } from '#lib/inference/catalog.ts';
import { createInferenceRuntime, type InferenceRuntime } from '#lib/inference/runtime.ts';
import { applyAffine, type PlanePoint } from '#lib/media/affine.ts';
import { createLocalAssets } from '#lib/media/assets.ts';
import { fillPolygon } from '#lib/media/polygon.ts';
import { createTestFolder, type TestFolder } from '#lib/media/test-media.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { DEFAULT_LANDMARK_CONFIG } from './config.ts';
import { createLandmarkService } from './service.ts';
import { MOUTH } from './topology.ts';

const BUNDLE = 'f8-512';
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const VIDEO = path('../../demo/face.mp4');
const PHOTO = path('../../demo/face.jpg');
const ENCODE = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '18', '-pix_fmt', 'yuv420p', '-an'];

let folder: TestFolder;
let runtime: InferenceRuntime;
let client: ServiceClient<typeof LandmarkService>;
let register: (file: string) => Promise<string>;

beforeAll(async () => {
  folder = await createTestFolder();
  const catalog = await openCatalog({ folders: [path('../../bundles')], defaultBundle: BUNDLE });
  runtime = await createInferenceRuntime({ provider: 'cpu', threadCount: 2 });
  const assets = createLocalAssets();
  register = assets.register;
  client = local(
    LandmarkService,
    createLandmarkService(DEFAULT_LANDMARK_CONFIG, { catalog, runtime, assets }),
  );
});

afterAll(async () => {
  await runtime.close();
  await folder.remove();
});

type Terms = Pick<MessageInitShape<typeof TrackRequestSchema>, 'faceChoice'>;

async function track(file: string, terms: Terms = {}): Promise<TrackedFrame[]> {
  const frames: TrackedFrame[] = [];
  for await (const { part } of client.track({ ...terms, bundle: BUNDLE, assetId: await register(file) })) {
    if (part.case === 'frame') frames.push(part.value);
  }
  return frames;
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof Fault)) throw new Error('no fault', { cause: error });
  return error;
}

const point = ({ landmarks }: TrackedFrame, index: number): PlanePoint => [
  landmarks[index]!.x,
  landmarks[index]!.y,
];
const pointing = (x: number, y: number): Terms => ({
  faceChoice: { choice: { case: 'point', value: { x, y } } },
});

/** One clip of `seconds` from a filter graph over the demo video [0] and photograph [1]. */
function film(name: string, seconds: number, graph: string): Promise<string> {
  const inputs = ['-i', VIDEO, '-loop', '1', '-framerate', '25', '-i', PHOTO];
  const output = ['-filter_complex', graph, '-map', '[out]', '-t', String(seconds), ...ENCODE];
  return folder.make(...inputs, ...output, name);
}

/** One picture from such a graph. */
function snapshot(name: string, graph: string): Promise<string> {
  const output = ['-filter_complex', graph, '-map', '[out]', '-frames:v', '1'];
  return folder.make('-i', VIDEO, '-i', PHOTO, ...output, name);
}

describe('a face that can be used', { timeout: 60_000 }, () => {
  it('is followed through the demo video to 2.5 % of the eye distance, its mouth always under the mask', async () => {
    const frames = await track(VIDEO);
    expect(frames).toHaveLength(150);
    for (const frame of frames) {
      expect(frame.interpolated).toBe(false);
      expect(frame.confidence).toBeGreaterThan(0.95);
      const mask = fillPolygon(frame.maskPolygon, 512, 512);
      for (const index of MOUTH) {
        const [x, y] = applyAffine(frame.transform!, point(frame, index));
        expect(mask[Math.floor(y) * 512 + Math.floor(x)]).toBe(255);
      }
    }
    // The exact points of the rendered head: python3 -m heads.demo --landmarks, in training/.
    const truth = JSON.parse(await readFile(path('../../test/golden/demo-face-landmarks.json'), 'utf8')) as {
      everyFrames: number;
      points: [number, number][][];
    };
    const errors = truth.points.map((points, i) => {
      const frame = frames[i * truth.everyFrames]!;
      const eyes = Math.hypot(points[45]![0] - points[36]![0], points[45]![1] - points[36]![1]);
      const distances = points.map(([x, y], index) => {
        const [foundX, foundY] = point(frame, index);
        return Math.hypot(foundX - x, foundY - y);
      });
      return distances.reduce((sum, distance) => sum + distance, 0) / distances.length / eyes;
    });
    expect(Math.max(...errors)).toBeLessThan(0.025);
  });

  it('rests when the head rests: a noisy still moves the crop by less than 0.3 px', async () => {
    const still = await film('still.mp4', 1.6, '[1]noise=alls=10:allf=t[out]');
    const frames = await track(still);
    const corners = [36, 45, 30, 8].map((index) => point(frames[20]!, index));
    for (const corner of corners) {
      const places = frames.map(({ transform }) => applyAffine(transform!, corner));
      for (const axis of [0, 1] as const) {
        const mean = places.reduce((sum, place) => sum + place[axis], 0) / places.length;
        const variance = places.reduce((sum, place) => sum + (place[axis] - mean) ** 2, 0) / places.length;
        expect(Math.sqrt(variance)).toBeLessThan(0.3);
      }
    }
  });

  it('is interpolated over a short gap, which is reported', async () => {
    const gap = await film(
      'gap.mp4',
      2,
      "[0]drawbox=w=iw:h=ih:color=gray:t=fill:enable='between(n,20,27)'[out]",
    );
    const frames = await track(gap);
    const missing = frames
      .filter(({ interpolated }) => interpolated)
      .map(({ frameIndex }) => Number(frameIndex));
    expect(missing).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    const nose = frames.map((frame) => point(frame, 30));
    for (let i = 1; i < nose.length; i++) {
      expect(Math.hypot(nose[i]![0] - nose[i - 1]![0], nose[i]![1] - nose[i - 1]![1])).toBeLessThan(12);
    }
  });

  it('is found when it is small in a large picture', async () => {
    const corner = await snapshot('corner.png', '[1]scale=150:-1,pad=1600:900:1300:640:color=0x404850[out]');
    const [frame] = await track(corner);
    const [x, y] = point(frame!, 30);
    expect(x).toBeGreaterThan(1345);
    expect(x).toBeLessThan(1405);
    expect(y).toBeGreaterThan(680);
    expect(y).toBeLessThan(760);
  });
});

describe('two faces', { timeout: 60_000 }, () => {
  const pair =
    '[0]scale=640:640[a];[1]scale=400:400,pad=440:640:20:120:color=0x505050[b];[a][b]hstack=shortest=1';

  it('are told apart: the largest is followed, or the one that is pointed at', async () => {
    const both = await film('pair.mp4', 1, `${pair}[out]`);
    const largest = await track(both);
    const chosen = await track(both, pointing(860, 320));
    for (const frame of largest) expect(point(frame, 30)[0]).toBeLessThan(640);
    for (const frame of chosen) expect(point(frame, 30)[0]).toBeGreaterThan(640);
    expect((await faultOf(track(both, pointing(650, 10)))).reason).toBe('FACE_CHOICE_EMPTY');
  });

  it('are both detected, largest first', async () => {
    const image = await readFile(await snapshot('pair.png', `${pair}[out]`));
    const { faces } = await client.detect({ bundle: BUNDLE, image });
    expect(faces.map(({ topLeft }) => topLeft!.x < 640)).toEqual([true, false]);
  });

  it('are never exchanged: when the followed one goes, the track ends with FACE_LOST', async () => {
    const alone = await film(
      'alone.mp4',
      2,
      `${pair},drawbox=w=640:h=640:color=gray:t=fill:enable='gte(n,15)'[out]`,
    );
    const fault = await faultOf(track(alone));
    expect(fault.reason).toBe('FACE_LOST');
    expect(fault.metadata).toMatchObject({ frameIndex: '15' });
  });
});

describe('a face that cannot be used', { timeout: 60_000 }, () => {
  it('is not there: NO_FACE_FOUND, in a video and in a photograph', async () => {
    const pattern = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=640x480:r=25:d=1',
      ...ENCODE,
      'pattern.mp4',
    );
    expect((await faultOf(track(pattern))).reason).toBe('NO_FACE_FOUND');
    const noise = [
      '-f',
      'lavfi',
      '-i',
      'nullsrc=s=640x480,geq=random(1)*255:128:128',
      '-frames:v',
      '1',
      'noise.png',
    ];
    const fault = await faultOf(track(await folder.make(...noise)));
    expect(fault.reason).toBe('NO_FACE_FOUND');
    expect(fault.message).toContain('in the photograph');
  });

  it('leaves the frame: FACE_LOST, with the time', async () => {
    const leaving = await film(
      'leaving.mp4',
      4,
      "color=0x606060:s=640x640:r=25[bg];[bg][0]overlay=x='max(0,(t-1)*400)':shortest=1[out]",
    );
    const fault = await faultOf(track(leaving));
    expect(fault.reason).toBe('FACE_LOST');
    const seconds = Number(fault.metadata.seconds);
    expect(seconds).toBeGreaterThan(1.2);
    expect(seconds).toBeLessThan(2.4);
  });

  it('stays away for longer than a gap may last: FACE_LOST', async () => {
    const away = await film(
      'away.mp4',
      2,
      "[0]drawbox=w=iw:h=ih:color=gray:t=fill:enable='between(n,20,34)'[out]",
    );
    const fault = await faultOf(track(away));
    expect(fault.reason).toBe('FACE_LOST');
    expect(fault.message).toContain('0.80 s');
  });

  it('is too small: FACE_TOO_SMALL', async () => {
    const far = await snapshot('far.png', '[1]scale=60:-1,pad=480:360:200:150:color=0x404850[out]');
    expect((await faultOf(track(far))).reason).toBe('FACE_TOO_SMALL');
  });

  it('is seen in profile: FACE_IN_PROFILE', async () => {
    const profile = path('testing/profile.jpg');
    expect((await faultOf(track(profile))).reason).toBe('FACE_IN_PROFILE');
  });
});
