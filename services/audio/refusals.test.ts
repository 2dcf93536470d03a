/** Bad input and broken calls, each with the reason that the caller gets. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SoundEncoding } from '#gen/talkmesh/media/v1/media_pb.ts';
import { collect, ffmpegChildren, inPieces } from '#lib/media/test-media.ts';
import {
  assetHeader,
  CONTAINER,
  type EncodeRequestInit,
  encodeAll,
  formatHeader,
  type HeaderInit,
  PCM_16K,
  requestsOf,
  SPEECH,
  startTestService,
  type TestService,
  windowsOf,
} from './testing/test-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.close());

describe('AudioService.Encode refuses', () => {
  it.each<[string, string, HeaderInit]>([
    ['no bundle', 'BUNDLE_REQUIRED', { ...PCM_16K, bundle: '' }],
    ['an unknown bundle', 'BUNDLE_UNKNOWN', { ...PCM_16K, bundle: 'nobody' }],
    [
      'another frame rate',
      'FRAME_RATE_UNSUPPORTED',
      { ...PCM_16K, frameRate: { numerator: 30, denominator: 1 } },
    ],
    ['no voice', 'VOICE_MISSING', { bundle: 'tiny' }],
    ['no encoding', 'SOUND_ENCODING_UNSUPPORTED', formatHeader({ encoding: SoundEncoding.UNSPECIFIED })],
    ['a rate of 0', 'SOUND_RATE_UNSUPPORTED', formatHeader({ sampleRateHz: 0 })],
    ['a rate of 7,999', 'SOUND_RATE_UNSUPPORTED', formatHeader({ sampleRateHz: 7_999 })],
    ['a rate of 192,001', 'SOUND_RATE_UNSUPPORTED', formatHeader({ sampleRateHz: 192_001 })],
    ['9 channels', 'SOUND_CHANNELS_UNSUPPORTED', formatHeader({ channelCount: 9 })],
    ['-1 channels', 'SOUND_CHANNELS_UNSUPPORTED', formatHeader({ channelCount: -1 })],
    ['an unknown asset', 'ASSET_MISSING', assetHeader(`sha256:${'0'.repeat(64)}`)],
    ['a path as an asset', 'ASSET_ID_INVALID', assetHeader('../../etc/passwd')],
  ])('%s: %s', async (_what, reason, header) => {
    await expect(encodeAll(service.client, header, [new Uint8Array(640)])).rejects.toMatchObject({ reason });
  });

  it('only other frame rates, however the rate is written', async () => {
    const header = { ...PCM_16K, frameRate: { numerator: 50, denominator: 2 } };
    expect(windowsOf(await encodeAll(service.client, header, [new Uint8Array(2_560)]))).toHaveLength(2);
  });

  it('a stream without a header: HEADER_MISSING', async () => {
    const chunkFirst = (async function* (): AsyncGenerator<EncodeRequestInit> {
      yield { part: { case: 'chunk', value: new Uint8Array(2) } };
    })();
    await expect(collect(service.client.encode(chunkFirst))).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'HEADER_MISSING',
    });
    await expect(collect(service.client.encode(inNoRequests()))).rejects.toMatchObject({
      reason: 'HEADER_MISSING',
    });
  });

  it('a second header: HEADER_REPEATED; an empty message: PART_MISSING', async () => {
    const then = (request: EncodeRequestInit) =>
      (async function* (): AsyncGenerator<EncodeRequestInit> {
        yield* requestsOf(PCM_16K);
        yield request;
      })();
    const again = service.client.encode(then({ part: { case: 'header', value: PCM_16K } }));
    await expect(collect(again)).rejects.toMatchObject({ reason: 'HEADER_REPEATED' });
    await expect(collect(service.client.encode(then({})))).rejects.toMatchObject({ reason: 'PART_MISSING' });
  });

  it('speech without samples: SOUND_EMPTY', async () => {
    await expect(encodeAll(service.client, PCM_16K)).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'SOUND_EMPTY',
    });
    await expect(encodeAll(service.client, CONTAINER)).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'MEDIA_EMPTY',
    });
  });

  it.each([
    ['of zero bytes', '', 'MEDIA_EMPTY'],
    ['that is no sound', 'not a sound', 'MEDIA_UNREADABLE'],
    [
      'that is a playlist',
      '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n',
      'MEDIA_FORMAT_REFUSED',
    ],
    ['that is a concat script', "ffconcat version 1.0\nfile '/etc/hostname'\n", 'MEDIA_FORMAT_REFUSED'],
  ])('a file %s', async (what, content, reason) => {
    const id = await service.register(service.folder.file(`${what.replaceAll(' ', '-')}.wav`), content);
    await expect(encodeAll(service.client, assetHeader(id))).rejects.toMatchObject({
      kind: 'invalid',
      reason,
      violations: [{ field: 'voice' }],
    });
  });

  it('a truncated file: MEDIA_TRUNCATED', async () => {
    const bytes = await readFile(SPEECH);
    const id = await service.register(service.folder.file('cut.wav'), bytes.subarray(0, bytes.length / 2));
    await expect(encodeAll(service.client, assetHeader(id))).rejects.toMatchObject({
      reason: 'MEDIA_TRUNCATED',
    });
  });

  it('a voice that is too long: MEDIA_TOO_LONG', async () => {
    const short = service.connect({ media: { maxDurationS: 5 } });
    await expect(encodeAll(short, assetHeader(service.speechId))).rejects.toMatchObject({
      reason: 'MEDIA_TOO_LONG',
    });
    await expect(encodeAll(short, PCM_16K, inPieces(service.samples, 9_000))).rejects.toMatchObject({
      reason: 'MEDIA_TOO_LONG',
    });
  });

  it('a container that is too large: MEDIA_TOO_LARGE', async () => {
    const small = service.connect({ maxContainerBytes: 1_000 });
    await expect(encodeAll(small, CONTAINER, [new Uint8Array(1_001)])).rejects.toMatchObject({
      reason: 'MEDIA_TOO_LARGE',
    });
  });

  it('to work without ffmpeg: FFMPEG_MISSING, with the remedy', async () => {
    const tools = { ffmpegPath: '/nowhere/ffmpeg', ffprobePath: '/nowhere/ffprobe' };
    await expect(
      encodeAll(service.connect({ tools }), assetHeader(service.speechId), []),
    ).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'FFMPEG_MISSING',
      message: expect.stringContaining('install it'),
    });
  });

  it('to go on without ffmpeg: FFMPEG_KILLED', async () => {
    const id = await service.register(
      await service.folder.make('-f', 'lavfi', '-i', 'sine=d=600:r=48000', 'long.wav'),
    );
    const responses = service.client.encode(requestsOf(assetHeader(id)))[Symbol.asyncIterator]();
    await responses.next();
    await responses.next();
    process.kill((await ffmpegChildren())[0]!, 'SIGKILL');
    const rest = collect({ [Symbol.asyncIterator]: () => responses });
    await expect(rest).rejects.toMatchObject({ kind: 'unavailable', reason: 'FFMPEG_KILLED' });
    expect(service.openAssets()).toBe(0);
  });
});

describe('AudioService.Encode stops', () => {
  it('at its deadline, while it waits for speech', async () => {
    const silent = new Promise<never>(() => undefined);
    const waiting = (async function* (): AsyncGenerator<Uint8Array> {
      yield await silent;
    })();
    await expect(encodeAll(service.client, PCM_16K, waiting, { timeoutMs: 50 })).rejects.toMatchObject({
      kind: 'late',
      reason: 'DEADLINE_EXCEEDED',
    });
    await expect(
      encodeAll(service.client, assetHeader(service.speechId), [], { timeoutMs: 1 }),
    ).rejects.toMatchObject({
      reason: 'DEADLINE_EXCEEDED',
    });
  });

  it('when the caller cancels, and leaves nothing open', async () => {
    const controller = new AbortController();
    const stored = requestsOf(assetHeader(service.speechId));
    const responses = service.client.encode(stored, { signal: controller.signal })[Symbol.asyncIterator]();
    await responses.next();
    await responses.next();
    controller.abort();
    const rest = collect({ [Symbol.asyncIterator]: () => responses });
    await expect(rest).rejects.toMatchObject({ kind: 'cancelled' });
    await expect.poll(service.openAssets).toBe(0);
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('when the caller stops reading, and leaves nothing open', async () => {
    for await (const { part } of service.client.encode(requestsOf(assetHeader(service.speechId))))
      if (part.case === 'window') break;
    await expect.poll(service.openAssets).toBe(0);
    await expect.poll(ffmpegChildren).toEqual([]);
  });
});

async function* inNoRequests(): AsyncGenerator<EncodeRequestInit> {
  yield* [];
}
