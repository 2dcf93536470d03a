import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DenoiseResponse,
  DenoiserService,
  StreamClass,
} from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { type Catalog, openCatalog } from '#lib/inference/catalog.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { createInferenceRuntime, type InferenceRuntime, type RunRecord } from '#lib/inference/runtime.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { DEFAULT_DENOISER_CONFIG, type DenoiserConfig } from './config.ts';
import { createDenoiserService } from './service.ts';
import {
  collectFaces,
  frameRequest,
  type HeaderFields,
  headerRequest,
  type RequestInit,
  referenceRegion,
  streamRequests,
} from './testing/conditions.ts';

const TINY = fileURLToPath(new URL('../../test/bundles/tiny', import.meta.url));

/** The parts of a manifest that the tests change. */
interface ManifestJson {
  readonly diffusion: Record<string, unknown>;
  readonly reference: Record<string, unknown>;
  readonly latent: Record<string, unknown>;
  readonly graphs: { readonly face_decoder: Record<string, unknown> };
}

type Client = ServiceClient<typeof DenoiserService>;

describe('createDenoiserService()', () => {
  const runs: RunRecord[] = [];
  let folder: string;
  let catalog: Catalog;
  let runtime: InferenceRuntime;
  let manifest: BundleManifest;
  let client: Client;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'talkmesh-denoiser-'));
    await cp(TINY, join(folder, 'tiny'), { recursive: true });
    await variant('guided', (json) => {
      json.diffusion.guidanceScale = { default: 2, unconditionalContext: Array(32).fill(0) };
    });
    await variant('released', (json) => {
      Object.assign(json.diffusion, {
        predictionType: 'epsilon',
        timestepSpacing: 'leading-plus-one',
        finalAlphaCumprod: 'first',
        inpaint: 'replace',
        steps: { default: 4, min: 1, max: 200 },
      });
      Object.assign(json.reference, { modes: ['fixed'], default: 'fixed' });
      json.latent.scale = 0.5;
    });
    await variant('damaged', (json) => {
      json.graphs.face_decoder.sha256 = '0'.repeat(64);
    });
    catalog = await openCatalog({ folders: [folder], defaultBundle: 'tiny' });
    manifest = catalog.get('tiny').manifest;
    runtime = await createInferenceRuntime(
      { provider: 'cpu', threadCount: 2 },
      { onRun: (run) => runs.push(run) },
    );
    client = serve();
  });
  afterAll(async () => {
    await runtime.close();
    await rm(folder, { recursive: true });
  });

  /** The tiny bundle under another name, with a changed manifest. */
  async function variant(name: string, change: (json: ManifestJson) => void): Promise<void> {
    await cp(TINY, join(folder, name), { recursive: true });
    const path = join(folder, name, 'bundle.json');
    const json = JSON.parse(await readFile(path, 'utf8')) as ManifestJson;
    change(json);
    await writeFile(path, JSON.stringify({ ...json, name }));
  }

  function serve(config: Partial<DenoiserConfig> = {}): Client {
    return local(
      DenoiserService,
      createDenoiserService({ ...DEFAULT_DENOISER_CONFIG, ...config }, { catalog, runtime }),
    );
  }

  function solo(seed: number, first: number, end: number, header: HeaderFields = {}, of = manifest) {
    return collectFaces(client.denoise(streamRequests(of, seed, first, end, header)));
  }

  async function parts(requests: AsyncIterable<RequestInit>): Promise<DenoiseResponse['part'][]> {
    const received: DenoiseResponse['part'][] = [];
    for await (const { part } of client.denoise(requests)) received.push(part);
    return received;
  }

  async function* just(...requests: RequestInit[]): AsyncGenerator<RequestInit> {
    yield* requests;
  }

  it('says its terms, gives a face for each frame in order, and a summary', async () => {
    const before = runtime.inferenceMs();
    const received = await parts(streamRequests(manifest, 1, 3, 6));
    expect(received.map((part) => part.case)).toEqual(['started', 'face', 'face', 'face', 'summary']);
    expect(received[0]?.value).toMatchObject({
      inferenceStepCount: 2,
      guidanceScale: 1,
      referenceMode: ReferenceMode.SOURCE,
      provider: 'cpu',
    });
    const faces = received.slice(1, 4).map((part) => (part.case === 'face' ? part.value : undefined));
    expect(faces.map((face) => face?.frameIndex)).toEqual([3n, 4n, 5n]);
    for (const face of faces) {
      expect(face?.region).toMatchObject({ width: 256, height: 256 });
      expect(face?.region?.data).toHaveLength(256 * 256 * 3);
      expect(durationMs(face?.latency)).toBeGreaterThan(0);
      expect(face?.meanBatchSize).toBeGreaterThanOrEqual(1);
    }
    const summary = received[4]!;
    if (summary.case !== 'summary') throw new Error('no summary');
    expect(summary.value.faceCount).toBe(3n);
    // Alone, the stream's share is all of the time inside graphs.
    expect(durationMs(summary.value.inferenceTime)).toBeCloseTo(runtime.inferenceMs() - before, 2);
  });

  it('takes a stream without frames', async () => {
    const received = await parts(just(headerRequest(manifest, 1)));
    expect(received.map((part) => part.case)).toEqual(['started', 'summary']);
  });

  it('depends on the seed, the conditions, the reference and the steps', async () => {
    const [plain] = (await solo(1, 0, 1)).values();
    const faces = await Promise.all([
      solo(1, 0, 1, { seed: 2n }),
      solo(1, 0, 1, { inferenceStepCount: 1 }),
      solo(1, 0, 1, {
        referenceRegion: referenceRegion(manifest, 5),
      }),
      collectFaces(client.denoise(just(headerRequest(manifest, 1), frameRequest(manifest, 9, 0)))),
    ]);
    for (const face of faces) expect(face.get(0)).not.toEqual(plain);
    expect((await solo(1, 0, 1)).get(0)).toEqual(plain);
  });

  it("takes the frame before as the reference in progressive mode, and the header's in fixed mode", async () => {
    const [progressive, fixed, reset] = await Promise.all([
      solo(1, 0, 3, { referenceMode: ReferenceMode.PROGRESSIVE }),
      solo(1, 0, 3, { referenceMode: ReferenceMode.FIXED }),
      collectFaces(
        client.denoise(
          just(
            headerRequest(manifest, 1, { referenceMode: ReferenceMode.PROGRESSIVE }),
            frameRequest(manifest, 1, 0),
            frameRequest(manifest, 1, 1),
            frameRequest(manifest, 1, 2, { resetReference: true }),
          ),
        ),
      ),
    ]);
    expect(progressive.get(0)).toEqual(fixed.get(0));
    expect(progressive.get(1)).not.toEqual(fixed.get(1));
    expect(reset.get(1)).toEqual(progressive.get(1));
    expect(reset.get(2)).toEqual(fixed.get(2));
  });

  it("takes the frame's own region as the reference in source mode, and keeps it until another comes", async () => {
    const inMode = (referenceMode: ReferenceMode, ...seeds: (number | undefined)[]) =>
      collectFaces(
        client.denoise(
          just(
            headerRequest(manifest, 1, { referenceMode }),
            ...seeds.map((referenceSeed, i) =>
              frameRequest(manifest, 1, i, referenceSeed === undefined ? {} : { referenceSeed }),
            ),
          ),
        ),
      );
    const fixed = await inMode(ReferenceMode.FIXED, 7, 7, 7);
    const own = await inMode(ReferenceMode.SOURCE, undefined, 7, undefined);
    const all = await inMode(ReferenceMode.SOURCE, 7, 7, 7);
    expect(own.get(0)).toEqual(fixed.get(0));
    expect(own.get(1)).not.toEqual(fixed.get(1));
    expect(own.get(1)).toEqual(all.get(1));
    expect(own.get(2)).toEqual(all.get(2));
  });

  it('resumed where the reference is reset, equals a stream that was never interrupted', async () => {
    const { resetFrames } = manifest.reference;
    const mode = { referenceMode: ReferenceMode.PROGRESSIVE };
    const whole = await solo(4, resetFrames - 3, resetFrames + 3, mode);
    const resumed = await solo(4, resetFrames, resetFrames + 3, mode);
    for (const [frameIndex, face] of resumed) expect(face).toEqual(whole.get(frameIndex));
    const elsewhere = await solo(4, resetFrames - 1, resetFrames, mode);
    expect(elsewhere.get(resetFrames - 1)).not.toEqual(whole.get(resetFrames - 1));
  });

  it('encodes a still region once, and gives the same faces as when it is sent again', async () => {
    const whole = [headerRequest(manifest, 1), ...[0, 1, 2].map((index) => frameRequest(manifest, 1, index))];
    const first = whole[1]!.part?.value as { visibleLandmarks: object; maskedRegion: object };
    const { visibleLandmarks, maskedRegion } = first;
    for (const request of whole.slice(2))
      Object.assign(request.part!.value!, { visibleLandmarks, maskedRegion });
    const stills = [1, 2].map((index) => frameRequest(manifest, 1, index, { still: true }));
    const encodings = (): number =>
      runs.filter(({ graph }) => graph === 'face_encoder').reduce((sum, { batchSize }) => sum + batchSize, 0);
    const before = encodings();
    const still = await collectFaces(client.denoise(just(whole[0]!, whole[1]!, ...stills)));
    expect(encodings() - before).toBe(2);
    expect(await collectFaces(client.denoise(just(...whole)))).toEqual(still);
  });

  it('gives each stream its own faces, to the bit, whoever joins, leaves or cancels beside it', async () => {
    const modes = [ReferenceMode.FIXED, ReferenceMode.PROGRESSIVE];
    const jobs = Array.from({ length: 5 }, (_, at) => ({
      seed: at + 1,
      first: at * 7,
      end: at * 7 + 6,
      header: {
        referenceMode: modes[at % 2]!,
        inferenceStepCount: 1 + (at % 3),
        streamClass: at % 2 ? StreamClass.LIVE : StreamClass.BULK,
      },
    }));
    const expected: Map<number, string>[] = [];
    for (const { seed, first, end, header } of jobs) expected.push(await solo(seed, first, end, header));

    const before = runs.length;
    // Others come and go at random moments while the five run, some without a word, some in mid-frame.
    const visits = Array.from({ length: 8 }, async (_, at) => {
      await new Promise((resolve) => setTimeout(resolve, at * 9));
      const controller = new AbortController();
      const responses = client.denoise(streamRequests(manifest, 100 + at, 0, 50), {
        signal: controller.signal,
      });
      let faceCount = 0;
      for await (const { part } of responses) {
        if (part.case !== 'face') continue;
        if (++faceCount > at % 4) break;
        if (at % 3 === 0) setTimeout(() => controller.abort(), at);
      }
    });
    const crowd = Promise.allSettled(visits);
    const shared = await Promise.all(
      jobs.map(({ seed, first, end, header }) =>
        collectFaces(client.denoise(streamRequests(manifest, seed, first, end, header))),
      ),
    );
    for (const outcome of await crowd) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ kind: 'cancelled' });
    }
    expect(shared).toEqual(expected);
    const shares = runs.slice(before).filter(({ graph, batchSize }) => graph === 'denoiser' && batchSize > 1);
    expect(shares.length).toBeGreaterThan(3);
  });

  it('does not take more frames than it may hold while the caller does not read', async () => {
    const patient = serve({ maxFramesInFlight: 3 });
    let sent = -1;
    async function* counted(): AsyncGenerator<RequestInit> {
      for await (const request of streamRequests(manifest, 1, 0, 40)) {
        sent++;
        yield request;
      }
    }
    const responses = patient.denoise(counted())[Symbol.asyncIterator]();
    await responses.next();
    await responses.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // One face is with the caller; its place is free again only when the next is asked for.
    expect(sent).toBe(3);
    await responses.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBe(4);
    await responses.return?.();
  });

  it("ends at once when the caller cancels, and frees the stream's place", async () => {
    const single = serve({ maxStreamCount: 1, retryAfterMs: 1234 });
    const controller = new AbortController();
    async function* stalled(): AsyncGenerator<RequestInit> {
      yield headerRequest(manifest, 1);
      await new Promise(() => undefined);
    }
    const first = single.denoise(stalled(), { signal: controller.signal })[Symbol.asyncIterator]();
    await first.next();
    await expect(collectFaces(single.denoise(streamRequests(manifest, 2, 0, 1)))).rejects.toMatchObject({
      kind: 'saturated',
      reason: 'STREAMS_EXHAUSTED',
      retryAfterMs: 1234,
    });
    const waiting = first.next();
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    expect((await collectFaces(single.denoise(streamRequests(manifest, 2, 0, 1)))).size).toBe(1);
  });

  it('fails streams as unavailable when the inference ends under them, and refuses a damaged bundle', async () => {
    const doomed = await createInferenceRuntime({ provider: 'cpu', threadCount: 1 });
    const service = createDenoiserService(DEFAULT_DENOISER_CONFIG, { catalog, runtime: doomed });
    const responses = local(DenoiserService, service).denoise(streamRequests(manifest, 1, 0, 1000));
    const faces = (async () => {
      for await (const { part } of responses) if (part.case === 'face') void doomed.close();
    })();
    await expect(faces).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(solo(1, 0, 1, { bundle: 'damaged' })).rejects.toMatchObject({
      kind: 'corrupt',
      reason: 'BUNDLE_CHECKSUM_MISMATCH',
    });
  });

  it('guides by the unconditional context when the bundle has one', async () => {
    const guided = catalog.get('guided').manifest;
    const [off, strong, preset] = await Promise.all([
      solo(1, 0, 2, { guidanceScale: 1 }, guided),
      solo(1, 0, 2, { guidanceScale: 3 }, guided),
      solo(1, 0, 2, {}, guided),
    ]);
    expect(off).toEqual(await solo(1, 0, 2));
    expect(strong.get(0)).not.toEqual(off.get(0));
    expect(preset.get(0)).not.toEqual(strong.get(0));
  });

  it('runs the recipe of the released code: its steps, known latents re-noised, a latent scale', async () => {
    const released = catalog.get('released').manifest;
    const received = await parts(streamRequests(released, 1, 0, 2, { inferenceStepCount: 30 }));
    expect(received[0]?.value).toMatchObject({ inferenceStepCount: 31, referenceMode: ReferenceMode.FIXED });
    expect(received.map((part) => part.case)).toEqual(['started', 'face', 'face', 'summary']);
    await expect(solo(1, 0, 1, { inferenceStepCount: 9 }, released)).rejects.toMatchObject({
      reason: 'STEPS_UNSUPPORTED',
    });
  });

  it.each<[string, HeaderFields]>([
    ['STEPS_OUT_OF_RANGE', { inferenceStepCount: 10_000 }],
    ['STEPS_OUT_OF_RANGE', { inferenceStepCount: -1 }],
    ['GUIDANCE_UNSUPPORTED', { guidanceScale: 1.5 }],
    ['GUIDANCE_OUT_OF_RANGE', { guidanceScale: 0.5 }],
    ['GUIDANCE_OUT_OF_RANGE', { guidanceScale: Number.NaN }],
    ['REFERENCE_MODE_UNSUPPORTED', { referenceMode: 7 as ReferenceMode }],
    ['STREAM_CLASS_UNKNOWN', { streamClass: 9 as StreamClass }],
    ['REGION_SIZE_MISMATCH', { referenceRegion: { width: 64, height: 64, data: new Uint8Array(12_288) } }],
    ['REGION_SIZE_MISMATCH', { referenceRegion: { width: 256, height: 256, data: new Uint8Array(5) } }],
  ])('refuses a header with %s', async (reason, header) => {
    await expect(solo(1, 0, 1, header)).rejects.toMatchObject({ kind: 'invalid', reason });
  });

  it('names everything that is wrong with a header', async () => {
    const part = {
      case: 'header' as const,
      value: { bundle: 'tiny', inferenceStepCount: 500, guidanceScale: 99 },
    };
    await expect(parts(just({ part }))).rejects.toMatchObject({
      reason: 'HEADER_INVALID',
      violations: [
        {
          field: 'header.reference_region',
          description: expect.stringMatching(/is required: .* 256x256 RGB/),
        },
        {
          field: 'header.inference_step_count',
          description: expect.stringContaining('is 500; this bundle takes 1 to 200'),
        },
        { field: 'header.guidance_scale', description: expect.stringContaining('is 99; send 1 (off) to 10') },
      ],
    });
    await expect(solo(1, 0, 1, { bundle: 'f16' })).rejects.toMatchObject({
      kind: 'missing',
      reason: 'BUNDLE_UNKNOWN',
    });
  });

  it('refuses what is out of order or not a frame, after the faces before it', async () => {
    const header = headerRequest(manifest, 1);
    const frame = (index: number, changes: object = {}) => {
      const request = frameRequest(manifest, 1, index);
      Object.assign(request.part!.value!, changes);
      return request;
    };
    const refusal = async (...requests: RequestInit[]): Promise<string> => {
      let faceCount = 0;
      try {
        for await (const { part } of client.denoise(just(...requests))) if (part.case === 'face') faceCount++;
      } catch (error) {
        return `${faceCount} ${(error as { reason: string }).reason}`;
      }
      return `${faceCount} accepted`;
    };
    const { featureWindow } = frame(0).part!.value as {
      featureWindow: { shape: bigint[]; data: Uint8Array };
    };
    const broken = new Float32Array(featureWindow.data.length / 4).fill(Number.NaN);
    expect(await refusal()).toBe('0 HEADER_MISSING');
    expect(await refusal(frame(0))).toBe('0 HEADER_MISSING');
    expect(await refusal({})).toBe('0 HEADER_MISSING');
    expect(await refusal(header, frame(0), header)).toBe('1 HEADER_REPEATED');
    expect(await refusal(header, frame(0), {})).toBe('1 REQUEST_EMPTY');
    expect(await refusal(header, frame(0), frame(2))).toBe('1 FRAME_OUT_OF_ORDER');
    expect(await refusal(header, frame(1), frame(1))).toBe('1 FRAME_OUT_OF_ORDER');
    expect(await refusal(header, frame(-1))).toBe('0 FRAME_INDEX_OUT_OF_RANGE');
    expect(await refusal(header, frame(0, { frameIndex: 2n ** 60n }))).toBe('0 FRAME_INDEX_OUT_OF_RANGE');
    expect(await refusal(header, frame(0, { maskedRegion: undefined }))).toBe('0 REGION_MISSING');
    expect(await refusal(header, frame(0, { visibleLandmarks: undefined }))).toBe('0 TENSOR_MISSING');
    expect(await refusal(header, frame(0), frame(1, { featureWindow: undefined }))).toBe('1 TENSOR_MISSING');
    const notFinite = { ...featureWindow, data: new Uint8Array(broken.buffer) };
    expect(await refusal(header, frame(0, { featureWindow: notFinite }))).toBe('0 TENSOR_NOT_FINITE');
    const presentationTime = { seconds: -1n, nanos: 0 };
    expect(await refusal(header, frame(0, { presentationTime }))).toBe('0 PRESENTATION_TIME_OUT_OF_RANGE');
  });
});
