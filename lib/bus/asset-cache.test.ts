import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AssetCache, type AssetCacheConfig, createAssetCache } from './asset-cache.ts';
import { type AssetStore, createAssetStore } from './asset-store.ts';
import { createObjectStore, type ObjectStore } from './object-store.ts';
import { faultOf, startTestBus, type TestBus, until } from './test-bus.ts';
import { ASSETS_BUCKET } from './topology.ts';

let test: TestBus;
let objects: ObjectStore;
let assets: AssetStore;
let parent: string;
const caches: AssetCache[] = [];
beforeAll(async () => {
  test = await startTestBus();
  objects = createObjectStore(test.bus, ASSETS_BUCKET, { chunkBytes: 1_000 });
  assets = createAssetStore(objects);
});
beforeEach(() => {
  parent = join(test.folder, randomBytes(4).toString('hex'));
});
afterAll(async () => {
  for (const cache of caches) await cache.close();
  await test.close();
});

async function openCache(config: Partial<AssetCacheConfig> = {}, store = objects): Promise<AssetCache> {
  const cache = await createAssetCache(store, { folder: parent, ...config });
  caches.push(cache);
  return cache;
}

async function store(bytes: Uint8Array, tenant = 'acme'): Promise<string> {
  const source = (async function* () {
    yield bytes;
  })();
  return (await assets.put(tenant, source, { mediaType: 'video/mp4', limitBytes: 1 << 24 })).id;
}
const soon = () => AbortSignal.timeout(10_000);
const files = async () =>
  (await Promise.all((await readdir(parent)).map((name) => readdir(join(parent, name))))).flat();

/** An object store that says when chunks are read, and can hold them back. */
function slowed(gate: Promise<void>): { store: ObjectStore; reads: () => number } {
  let reads = 0;
  return {
    reads: () => reads,
    store: {
      ...objects,
      async *read(...args) {
        reads += 1;
        for await (const piece of objects.read(...args)) {
          yield piece;
          await gate;
        }
      },
    },
  };
}

describe('AssetCache', () => {
  it('opens an asset as a file of its own, readable by this user alone', async () => {
    const cache = await openCache();
    const bytes = randomBytes(4_321);
    const id = await store(bytes);
    const file = await cache.open(id, soon());
    expect((await readFile(file.path)).equals(bytes)).toBe(true);
    expect(file).toMatchObject({ sha256: id.slice('sha256:'.length), sizeBytes: 4_321 });
    expect(file.path.startsWith(parent)).toBe(true);
    await file.close();
    expect(cache.usedBytes).toBe(4_321);
  });

  it('downloads once for all who open at the same time, and shows nothing before it is whole', async () => {
    const gate = Promise.withResolvers<void>();
    const { store: slow, reads } = slowed(gate.promise);
    const cache = await openCache({}, slow);
    const id = await store(randomBytes(3_000));
    const opening = Promise.all(Array.from({ length: 6 }, () => cache.open(id, soon())));
    await until(async () => (await files()).length === 1);
    expect((await files())[0]).toMatch(/\.part$/);
    gate.resolve();
    const opened = await opening;
    expect(new Set(opened.map(({ path }) => path)).size).toBe(1);
    expect(reads()).toBe(1);
    for (const file of opened) await file.close();
    await (await cache.open(id, soon())).close();
    expect(reads()).toBe(1);
  });

  it('lets one who opens give up without the others, and ends a download that nobody waits for', async () => {
    const gate = Promise.withResolvers<void>();
    const cache = await openCache({}, slowed(gate.promise).store);
    const id = await store(randomBytes(3_000));
    const patient = cache.open(id, soon());
    expect((await faultOf(cache.open(id, AbortSignal.timeout(50)))).reason).toBe('DEADLINE_EXCEEDED');
    gate.resolve();
    await (await patient).close();

    const never = await openCache({}, slowed(new Promise(() => undefined)).store);
    const other = await store(randomBytes(3_000));
    expect((await faultOf(never.open(other, AbortSignal.timeout(50)))).reason).toBe('DEADLINE_EXCEEDED');
  });

  it('removes what was not used for longest, never what is open', async () => {
    const cache = await openCache({ limitBytes: 2_500 });
    const [a, b, c] = [
      await store(randomBytes(1_000)),
      await store(randomBytes(1_000)),
      await store(randomBytes(1_000)),
    ];
    const fileA = await cache.open(a, soon());
    await (await cache.open(b, soon())).close();
    await (await cache.open(c, soon())).close();
    expect((await files()).map((name) => name.slice(0, 64)).sort()).toEqual(
      [a, c].map((id) => id.slice(7)).sort(),
    );
    const fileC = await cache.open(c, soon());
    const fault = await faultOf(cache.open(b, soon()));
    expect([fault.kind, fault.reason]).toEqual(['saturated', 'CACHE_FULL']);
    expect(cache.usedBytes).toBe(2_000);
    await fileA.close();
    const fileB = await cache.open(b, soon());
    expect((await files()).map((name) => name.slice(0, 64)).sort()).toEqual(
      [b, c].map((id) => id.slice(7)).sort(),
    );
    await fileB.close();
    await fileC.close();
  });

  it('stays within its limit and right, whatever is opened and closed at once', async () => {
    const cache = await openCache({ limitBytes: 6_000 });
    const contents = Array.from({ length: 8 }, () => randomBytes(900 + Math.floor(Math.random() * 600)));
    const ids = await Promise.all(contents.map((bytes) => store(bytes)));
    await Promise.all(
      Array.from({ length: 60 }, async () => {
        const index = Math.floor(Math.random() * ids.length);
        try {
          const file = await cache.open(ids[index]!, soon());
          expect((await readFile(file.path)).equals(contents[index]!)).toBe(true);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
          await file.close();
          await file.close();
        } catch (error) {
          expect(error).toMatchObject({ reason: 'CACHE_FULL' });
        }
      }),
    );
    const names = await files();
    const sizes = await Promise.all(
      names.map(async (name) => contents[ids.indexOf(`sha256:${name.slice(0, 64)}`)]!.length),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(cache.usedBytes);
    expect(cache.usedBytes).toBeLessThanOrEqual(6_000);
  });

  it('opens nothing that was deleted, and removes its file', async () => {
    const cache = await openCache();
    const id = await store(randomBytes(500), 'deleter');
    await (await cache.open(id, soon())).close();
    await assets.delete('deleter', id);
    const fault = await faultOf(cache.open(id, soon()));
    expect([fault.kind, fault.reason]).toEqual(['missing', 'ASSET_MISSING']);
    expect(await files()).toEqual([]);
    expect((await faultOf(cache.open('../../etc/passwd', soon()))).reason).toBe('ASSET_ID_INVALID');
  });

  it('finishes a download although the asset is uploaded again meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    const { store: slow, reads } = slowed(gate.promise);
    const cache = await openCache({}, slow);
    const bytes = randomBytes(6_000);
    const id = await store(bytes);
    const opening = cache.open(id, soon());
    await until(() => reads() === 1);
    await store(bytes, 'other');
    gate.resolve();
    const file = await opening;
    expect((await readFile(file.path)).equals(bytes)).toBe(true);
    expect(reads()).toBe(2);
    await file.close();
  });

  it('removes a file some time after it was closed', async () => {
    const cache = await openCache({ idleMs: 50 });
    const file = await cache.open(await store(randomBytes(500)), soon());
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await files()).toHaveLength(1);
    await file.close();
    await until(async () => (await files()).length === 0);
    expect(cache.usedBytes).toBe(0);
  });

  it('removes what a dead process left, not what a living one uses', async () => {
    const first = await openCache();
    const file = await first.open(await store(randomBytes(500)), soon());
    for (const name of [
      'assets-999999999-00ff',
      `assets-${process.pid}-00ff`,
      `assets-${process.ppid}-00ff`,
    ]) {
      await mkdir(join(parent, name));
      await writeFile(join(parent, name, 'face'), 'x');
    }
    await openCache();
    const left = await readdir(parent);
    expect(left).not.toContain('assets-999999999-00ff');
    expect(left).not.toContain(`assets-${process.pid}-00ff`);
    expect(left).toContain(`assets-${process.ppid}-00ff`);
    expect((await readFile(file.path)).length).toBe(500);
    await file.close();
    await first.close();
    expect(await readdir(parent)).not.toContain(file.path.split('/').at(-2));
  });
});
