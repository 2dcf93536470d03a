import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createObjectStore } from './object-store.ts';
import { newRenderId } from './render-id.ts';
import { createResultStore, type ResultStore } from './result-store.ts';
import { collect, faultOf, startTestBus, type TestBus } from './test-bus.ts';
import { RESULTS_BUCKET } from './topology.ts';

let test: TestBus;
let results: ResultStore;
beforeAll(async () => {
  test = await startTestBus();
  results = createResultStore(createObjectStore(test.bus, RESULTS_BUCKET, { chunkBytes: 1_000 }));
});
afterAll(() => test.close());

async function* stream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += 321) yield bytes.subarray(i, i + 321);
}
const stored = async () => (await test.bus.manager.streams.info(`OBJ_${RESULTS_BUCKET}`)).state.messages;

describe('ResultStore', () => {
  it('keeps a video for its tenant, and gives any range of it', async () => {
    const id = newRenderId();
    const bytes = randomBytes(5_432);
    const put = await results.putVideo('acme', id, stream(bytes), 'video/mp4');
    expect(put.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    const video = await results.video('acme', id);
    expect(video).toMatchObject({ sizeBytes: 5_432, mediaType: 'video/mp4', sha256: put.sha256 });
    expect(Buffer.concat(await collect(video.read())).equals(bytes)).toBe(true);
    const range = Buffer.concat(await collect(video.read({ offset: 999, length: 1_002 })));
    expect(range.equals(bytes.subarray(999, 2_001))).toBe(true);
    expect(Buffer.concat(await collect(video.read({ offset: 5_000, length: 9_999 }))).length).toBe(432);
    expect((await faultOf(results.video('other', id))).reason).toBe('VIDEO_NOT_FOUND');
    expect((await faultOf(results.video('acme', '../x'))).reason).toBe('RENDER_NOT_FOUND');
    expect((await faultOf(results.video('a/b', id))).reason).toBe('TENANT_INVALID');
  });

  it('shows no video before it is whole', async () => {
    const id = newRenderId();
    const half = (async function* () {
      yield randomBytes(3_000);
      expect((await faultOf(results.video('acme', id))).reason).toBe('VIDEO_NOT_FOUND');
      throw new Error('ffmpeg died');
    })();
    await expect(results.putVideo('acme', id, half, 'video/mp4')).rejects.toThrowError('ffmpeg died');
    expect((await faultOf(results.video('acme', id))).reason).toBe('VIDEO_NOT_FOUND');
  });

  it('keeps the checkpoints of each render apart, in order', async () => {
    const mine = results.checkpoints('acme', newRenderId());
    const others = results.checkpoints('acme', newRenderId());
    for (const key of ['0002', '0000', '0001']) await mine.put(key, Buffer.from(key));
    await others.put('0007', randomBytes(10));
    await mine.put('0001', Buffer.from('again'));
    expect(await mine.keys()).toEqual(['0000', '0001', '0002']);
    expect(String(await mine.get('0001'))).toBe('again');
    expect(await mine.get('0003')).toBeUndefined();
    await mine.delete('0000');
    expect(await mine.keys()).toEqual(['0001', '0002']);
    await mine.delete();
    expect(await mine.keys()).toEqual([]);
    expect(await others.keys()).toEqual(['0007']);
    await others.delete();
  });

  it.each(['', 'a/b', '..\\x', 'x'.repeat(129)])('refuses the key %j', async (key) => {
    expect((await faultOf(results.checkpoints('acme', newRenderId()).put(key, Buffer.alloc(1)))).reason).toBe(
      'BLOB_KEY_INVALID',
    );
  });

  it('keeps tracks by source, and deletes them with it', async () => {
    const sha256 = 'ab'.repeat(32);
    await results.tracks(sha256).put('recipe-1', randomBytes(2_000));
    await results.tracks('cd'.repeat(32)).put('recipe-1', Buffer.from('other'));
    expect((await results.tracks(sha256).get('recipe-1'))?.length).toBe(2_000);
    await results.tracks(sha256).delete();
    expect(await results.tracks(sha256).get('recipe-1')).toBeUndefined();
    expect(String(await results.tracks('cd'.repeat(32)).get('recipe-1'))).toBe('other');
    expect(() => results.tracks('../x')).toThrowError(expect.objectContaining({ reason: 'SHA256_INVALID' }));
  });

  it('deletes all of a render, and nothing of another', async () => {
    const before = await stored();
    const [mine, other] = [newRenderId(), newRenderId()];
    await results.putVideo('acme', other, stream(randomBytes(10)), 'video/mp4');
    await results.putVideo('acme', mine, stream(randomBytes(2_500)), 'video/mp4');
    await results.checkpoints('acme', mine).put('0000', randomBytes(1_500));
    await results.deleteRender('acme', mine);
    expect((await faultOf(results.video('acme', mine))).reason).toBe('VIDEO_NOT_FOUND');
    expect((await results.video('acme', other)).sizeBytes).toBe(10);
    expect(await stored()).toBe(before + 2);
    await results.deleteRender('acme', mine);
  });
});
