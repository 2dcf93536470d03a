import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DenoiserService, StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { createInferenceRuntime } from '#lib/inference/runtime.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import { local } from '#lib/rpc/local.ts';
import { DEFAULT_DENOISER_CONFIG } from './config.ts';
import { createDenoiserService } from './service.ts';
import {
  collectFaces,
  frameRequest,
  headerRequest,
  type RequestInit,
  referenceRegion,
  streamRequests,
} from './testing/conditions.ts';
import { createTinyDenoiser, type DenoiserClient, just, type TinyDenoiser } from './testing/tiny-denoiser.ts';

describe('createDenoiserService()', () => {
  let denoiser: TinyDenoiser;
  let manifest: BundleManifest;
  let client: DenoiserClient;
  beforeAll(async () => {
    denoiser = await createTinyDenoiser();
    ({ manifest, client } = denoiser);
  });
  afterAll(() => denoiser.close());

  it('says its terms, gives a face for each frame in order, and a summary', async () => {
    const before = denoiser.runtime.inferenceMs();
    const received = await denoiser.parts(streamRequests(manifest, 1, 3, 6));
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
    expect(durationMs(summary.value.inferenceTime)).toBeCloseTo(denoiser.runtime.inferenceMs() - before, 2);
  });

  it('takes a stream without frames', async () => {
    const received = await denoiser.parts(just(headerRequest(manifest, 1)));
    expect(received.map((part) => part.case)).toEqual(['started', 'summary']);
  });

  it('depends on the seed, the conditions, the reference and the steps', async () => {
    const [plain] = (await denoiser.solo(1, 0, 1)).values();
    const faces = await Promise.all([
      denoiser.solo(1, 0, 1, { seed: 2n }),
      denoiser.solo(1, 0, 1, { inferenceStepCount: 1 }),
      denoiser.solo(1, 0, 1, {
        referenceRegion: referenceRegion(manifest, 5),
      }),
      collectFaces(client.denoise(just(headerRequest(manifest, 1), frameRequest(manifest, 9, 0)))),
    ]);
    for (const face of faces) expect(face.get(0)).not.toEqual(plain);
    expect((await denoiser.solo(1, 0, 1)).get(0)).toEqual(plain);
  });

  it("takes the frame before as the reference in progressive mode, and the header's in fixed mode", async () => {
    const [progressive, fixed, reset] = await Promise.all([
      denoiser.solo(1, 0, 3, { referenceMode: ReferenceMode.PROGRESSIVE }),
      denoiser.solo(1, 0, 3, { referenceMode: ReferenceMode.FIXED }),
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
    const whole = await denoiser.solo(4, resetFrames - 3, resetFrames + 3, mode);
    const resumed = await denoiser.solo(4, resetFrames, resetFrames + 3, mode);
    for (const [frameIndex, face] of resumed) expect(face).toEqual(whole.get(frameIndex));
    const elsewhere = await denoiser.solo(4, resetFrames - 1, resetFrames, mode);
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
      denoiser.runs
        .filter(({ graph }) => graph === 'face_encoder')
        .reduce((sum, { batchSize }) => sum + batchSize, 0);
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
    for (const { seed, first, end, header } of jobs)
      expected.push(await denoiser.solo(seed, first, end, header));

    const before = denoiser.runs.length;
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
    const shares = denoiser.runs
      .slice(before)
      .filter(({ graph, batchSize }) => graph === 'denoiser' && batchSize > 1);
    expect(shares.length).toBeGreaterThan(3);
  });

  it('does not take more frames than it may hold while the caller does not read', async () => {
    const patient = denoiser.serve({ maxFramesInFlight: 3 });
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
    const single = denoiser.serve({ maxStreamCount: 1, retryAfterMs: 1234 });
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
    const service = createDenoiserService(DEFAULT_DENOISER_CONFIG, {
      catalog: denoiser.catalog,
      runtime: doomed,
    });
    const responses = local(DenoiserService, service).denoise(streamRequests(manifest, 1, 0, 1000));
    const faces = (async () => {
      for await (const { part } of responses) if (part.case === 'face') void doomed.close();
    })();
    await expect(faces).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(denoiser.solo(1, 0, 1, { bundle: 'damaged' })).rejects.toMatchObject({
      kind: 'corrupt',
      reason: 'BUNDLE_CHECKSUM_MISMATCH',
    });
  });

  it('guides by the unconditional context when the bundle has one', async () => {
    const guided = denoiser.catalog.get('guided').manifest;
    const [off, strong, preset] = await Promise.all([
      denoiser.solo(1, 0, 2, { guidanceScale: 1 }, guided),
      denoiser.solo(1, 0, 2, { guidanceScale: 3 }, guided),
      denoiser.solo(1, 0, 2, {}, guided),
    ]);
    expect(off).toEqual(await denoiser.solo(1, 0, 2));
    expect(strong.get(0)).not.toEqual(off.get(0));
    expect(preset.get(0)).not.toEqual(strong.get(0));
  });

  it('denoiser.runs the recipe of the released code: its steps, known latents re-noised, a latent scale', async () => {
    const released = denoiser.catalog.get('released').manifest;
    const received = await denoiser.parts(streamRequests(released, 1, 0, 2, { inferenceStepCount: 30 }));
    expect(received[0]?.value).toMatchObject({ inferenceStepCount: 31, referenceMode: ReferenceMode.FIXED });
    expect(received.map((part) => part.case)).toEqual(['started', 'face', 'face', 'summary']);
    await expect(denoiser.solo(1, 0, 1, { inferenceStepCount: 9 }, released)).rejects.toMatchObject({
      reason: 'STEPS_UNSUPPORTED',
    });
  });
});
