import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AssetStore, createAssetStore } from './asset-store.ts';
import { createObjectStore, type ObjectStore } from './object-store.ts';
import { collect, faultOf, startTestBus, type TestBus } from './test-bus.ts';
import { ASSETS_BUCKET } from './topology.ts';

let test: TestBus;
let objects: ObjectStore;
let assets: AssetStore;
beforeAll(async () => {
  test = await startTestBus();
  objects = createObjectStore(test.bus, ASSETS_BUCKET, { chunkBytes: 1_000 });
  assets = createAssetStore(objects);
});
afterAll(() => test.close());

async function* upload(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += 300) yield bytes.subarray(i, i + 300);
}
const FACE = { mediaType: 'video/mp4', limitBytes: 1 << 20 };
const stored = async () => (await test.bus.manager.streams.info(`OBJ_${ASSETS_BUCKET}`)).state.messages;

describe('AssetStore', () => {
  it('names an upload by its content', async () => {
    const bytes = randomBytes(2_500);
    const asset = await assets.put('acme', upload(bytes), FACE);
    expect(asset.id).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    expect(asset).toMatchObject({ sizeBytes: 2_500, mediaType: 'video/mp4' });
    expect(asset.expireTime.getTime() - Date.now()).toBeGreaterThan(6.9 * 24 * 3_600_000);
    expect(await assets.stat('acme', asset.id)).toEqual(asset);
    const info = await objects.find(asset.id.slice('sha256:'.length));
    expect(Buffer.concat(await collect(objects.read(info!))).equals(bytes)).toBe(true);
  });

  it('stores the same content once, for everybody who uploads it, and shows it to nobody else', async () => {
    const before = await stored();
    const bytes = randomBytes(2_500);
    const mine = await assets.put('acme', upload(bytes), FACE);
    expect((await faultOf(assets.stat('other', mine.id))).reason).toBe('ASSET_MISSING');
    expect((await faultOf(assets.delete('other', mine.id))).reason).toBe('ASSET_MISSING');
    const theirs = await assets.put('other', upload(bytes), { ...FACE, mediaType: 'video/quicktime' });
    expect(theirs.id).toBe(mine.id);
    expect(await stored()).toBe(before + 4);
    expect((await assets.stat('acme', mine.id)).mediaType).toBe('video/mp4');
    expect((await assets.stat('other', mine.id)).mediaType).toBe('video/quicktime');
    expect(await assets.delete('acme', mine.id)).toBe(false);
    expect((await faultOf(assets.stat('acme', mine.id))).reason).toBe('ASSET_MISSING');
    expect((await assets.stat('other', mine.id)).sizeBytes).toBe(2_500);
    expect(await assets.delete('other', mine.id)).toBe(true);
    expect(await stored()).toBe(before);
  });

  it('keeps every owner when many upload and delete the same content at once', async () => {
    const before = await stored();
    const bytes = randomBytes(1_500);
    const tenants = Array.from({ length: 10 }, (_, i) => `tenant-${i}`);
    const [first] = await Promise.all(tenants.map((tenant) => assets.put(tenant, upload(bytes), FACE)));
    for (const tenant of tenants) expect((await assets.stat(tenant, first!.id)).sizeBytes).toBe(1_500);
    const gone = await Promise.all(tenants.map((tenant) => assets.delete(tenant, first!.id)));
    expect(gone.filter(Boolean)).toHaveLength(1);
    expect(await stored()).toBe(before);
  });

  it('refuses an empty upload and one that is too large, and keeps nothing of them', async () => {
    const before = await stored();
    expect((await faultOf(assets.put('acme', upload(Buffer.alloc(0)), FACE))).reason).toBe('ASSET_EMPTY');
    const fault = await faultOf(
      assets.put('acme', upload(randomBytes(5_001)), { ...FACE, limitBytes: 5_000 }),
    );
    expect([fault.kind, fault.reason]).toEqual(['invalid', 'ASSET_TOO_LARGE']);
    expect(fault.message).toContain('5000 bytes');
    expect(await stored()).toBe(before);
    expect(
      (await assets.put('acme', upload(randomBytes(5_000)), { ...FACE, limitBytes: 5_000 })).sizeBytes,
    ).toBe(5_000);
  });

  it.each([
    '',
    'sha256:',
    '/etc/passwd',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `${'a'.repeat(64)}`,
  ])('refuses the id %j', async (id) => {
    expect((await faultOf(assets.stat('acme', id))).reason).toBe('ASSET_ID_INVALID');
  });

  it('forgets an owner when that upload has expired, though another’s has not', async () => {
    const bytes = randomBytes(500);
    const brief = createAssetStore(objects, { retentionMs: 150 });
    const { id } = await brief.put('brief', upload(bytes), FACE);
    await assets.put('acme', upload(bytes), FACE);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await faultOf(assets.stat('brief', id))).reason).toBe('ASSET_MISSING');
    expect((await assets.stat('acme', id)).id).toBe(id);
  });

  it('gives a renewed upload a new life', async () => {
    const short = await startTestBus({ assets: { maxAgeMs: 700 } });
    const store = createAssetStore(createObjectStore(short.bus, ASSETS_BUCKET), { retentionMs: 700 });
    const bytes = randomBytes(500);
    const { id } = await store.put('acme', upload(bytes), FACE);
    await new Promise((resolve) => setTimeout(resolve, 450));
    await store.put('acme', upload(bytes), FACE);
    await new Promise((resolve) => setTimeout(resolve, 450));
    expect((await store.stat('acme', id)).sizeBytes).toBe(500);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await faultOf(store.stat('acme', id))).reason).toBe('ASSET_MISSING');
    await short.close();
  });
});
