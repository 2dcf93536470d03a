import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncodeResponse } from '#gen/talkmesh/audio/v1/audio_service_pb.ts';
import { DataType } from '#gen/talkmesh/media/v1/media_pb.ts';
import { inPieces } from '#lib/media/test-media.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import {
  assetHeader,
  CONTAINER,
  digestWindows,
  encodeAll,
  formatHeader,
  PCM_16K,
  requestsOf,
  SPEECH,
  startTestService,
  type TestService,
  windowsOf,
} from './testing/test-service.ts';

const WINDOW = 8 * 64;

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

describe('AudioService.Encode', () => {
  it('gives a header, one window a frame in order, and a summary', async () => {
    const responses = await encodeAll(service.client, assetHeader(service.speechId));
    const seconds = service.samples.length / 2 / 16_000;
    const [first, last] = [responses[0]!.part, responses.at(-1)!.part];
    expect(first).toMatchObject({
      case: 'started',
      value: { frameRate: { numerator: 25, denominator: 1 }, windowShape: [8n, 64n] },
    });
    expect(first.case === 'started' && durationMs(first.value.lookAhead)).toBeCloseTo(427.5, 3);
    const windows = windowsOf(responses);
    expect(windows.map(({ frameIndex }) => Number(frameIndex))).toEqual(
      Array.from({ length: Math.ceil(seconds * 25) }, (_, i) => i),
    );
    for (const { features } of windows) {
      expect(features).toMatchObject({ dataType: DataType.FLOAT32, shape: [8n, 64n] });
      expect(features!.data.length).toBe(WINDOW * 4);
    }
    expect(last).toMatchObject({ case: 'summary', value: { windowCount: BigInt(windows.length) } });
    if (last.case !== 'summary') return;
    expect(durationMs(last.value.duration)).toBeCloseTo(seconds * 1000, 3);
    expect(durationMs(last.value.inferenceTime)).toBeGreaterThan(0);
    expect(responses).toHaveLength(windows.length + 2);
  });

  it('stacks each frame with its neighbours, zeros outside the voice', async () => {
    const windows = windowsOf(await encodeAll(service.client, assetHeader(service.speechId))).map(
      ({ features }) => {
        return new Float32Array(Uint8Array.from(features!.data).buffer);
      },
    );
    const row = (frame: number, k: number) => windows[frame]!.subarray(k * 64, (k + 1) * 64);
    expect(row(0, 3).every((value) => value === 0)).toBe(true);
    expect(row(0, 4).some((value) => value !== 0)).toBe(true);
    expect(row(windows.length - 1, 5).every((value) => value === 0)).toBe(true);
    for (let k = 0; k < 8; k++) expect(row(60, k)).toEqual(row(60 + k - 4, 4));
  });

  it('gives live chunks of any size the windows of the whole file, bit for bit, whatever shares a run', async () => {
    const whole = digestWindows(await encodeAll(service.client, assetHeader(service.speechId)));
    const sizes = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 6 });
    const live = fc.asyncProperty(sizes, fc.constantFrom(1, 2, 5, 32), async (cuts, maxBatch) => {
      const chunks = inPieces(service.samples, ...cuts, 3_000);
      const client = service.connect({ maxBatch });
      expect(digestWindows(await encodeAll(client, PCM_16K, chunks))).toBe(whole);
    });
    await fc.assert(live, { numRuns: 8 });
    expect(new Set(service.batches).size).toBeGreaterThan(3);
    expect(Math.max(...service.batches)).toBeLessThanOrEqual(32);
  });

  it('reads a container in chunks like the stored file', async () => {
    const bytes = await readFile(await service.folder.make('-i', SPEECH, '-c:a', 'alac', 'speech.m4a'));
    const whole = digestWindows(await encodeAll(service.client, assetHeader(service.speechId)));
    expect(digestWindows(await encodeAll(service.client, CONTAINER, inPieces(bytes, 5_000)))).toBe(whole);
    expect((await readdir(service.folder.path)).filter((name) => name.startsWith('talkmesh-'))).toEqual([]);
  });

  it('gives windows while speech still comes, as early as it said', async () => {
    const { promise: never, resolve: hangUp } = Promise.withResolvers<void>();
    const live = (async function* () {
      yield service.samples.subarray(0, 32_000);
      await never;
    })();
    const responses = service.client.encode(requestsOf(PCM_16K, live));
    const seen: EncodeResponse[] = [];
    // 1 s of speech less 427.5 ms of look-ahead holds 14 whole frames.
    for await (const response of responses) if (seen.push(response) === 15) break;
    hangUp();
    expect(windowsOf(seen)).toHaveLength(14);
  });

  it('says how much more speech another rate needs, and gives windows no later than that', async () => {
    const header = formatHeader({ sampleRateHz: 48_000 });
    const [started] = await encodeAll(service.client, header, [new Uint8Array(96_000)]);
    const lookAheadMs = started!.part.case === 'started' ? durationMs(started!.part.value.lookAhead) : 0;
    expect(lookAheadMs).toBeCloseTo(431.5, 3);
    const { promise: never, resolve: hangUp } = Promise.withResolvers<void>();
    const live = (async function* () {
      // The first frame ends after 40 ms; one millisecond more, for whole samples.
      yield new Uint8Array(Math.ceil((40 + lookAheadMs + 1) * 48) * 2);
      await never;
    })();
    for await (const { part } of service.client.encode(requestsOf(header, live)))
      if (part.case === 'window') break;
    hangUp();
  });

  it('hears nobody in silence', async () => {
    const windows = windowsOf(await encodeAll(service.client, PCM_16K, [new Uint8Array(96_000)]));
    expect(windows).toHaveLength(75);
    expect(windows.every(({ voiceActivity }) => voiceActivity === 0)).toBe(true);
  });

  it('hears when somebody speaks', async () => {
    const activity = windowsOf(await encodeAll(service.client, assetHeader(service.speechId))).map(
      ({ voiceActivity }) => voiceActivity,
    );
    expect(activity.filter((value) => value >= 0.5).length).toBeGreaterThan(activity.length * 0.7);
    expect(activity[0]).toBe(0);
  });

  it.each([
    ['8 kHz mono', ['-ar', '8000', '-ac', '1']],
    ['192 kHz with six channels', ['-ar', '192000', '-ac', '6']],
  ])('reads %s', async (_what, options) => {
    const id = await service.register(
      await service.folder.make('-i', SPEECH, '-t', '2', ...options, `${options[1]}.wav`),
    );
    expect(windowsOf(await encodeAll(service.client, assetHeader(id)))).toHaveLength(50);
  });

  it('keeps memory flat over 20 minutes', { timeout: 120_000 }, async () => {
    const minute = new Uint8Array(60 * 32_000);
    for (let i = 0; i < minute.length; i++) minute[i] = service.samples[i % service.samples.length]!;
    const voice = (async function* () {
      for (let i = 0; i < 20; i++) yield* inPieces(minute, 64_000);
    })();
    let [count, early, late] = [0, 0, 0];
    for await (const { part } of service.client.encode(requestsOf(PCM_16K, voice))) {
      if (part.case !== 'window') continue;
      count++;
      const { arrayBuffers } = count % 1_000 === 0 ? process.memoryUsage() : { arrayBuffers: 0 };
      if (count < 10_000) early = Math.max(early, arrayBuffers);
      else late = Math.max(late, arrayBuffers);
    }
    expect(count).toBe(30_000);
    expect(Math.max(early, late)).toBeLessThan(128 << 20);
  });
});
