import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { createObjectStore, type ObjectStore } from './object-store.ts';
import { collect, faultOf, startTestBus, startTestServer, type TestBus, until } from './test-bus.ts';
import { ensureTopology, OBJECT_CHUNK_BYTES, RESULTS_BUCKET } from './topology.ts';

const STREAM = `OBJ_${RESULTS_BUCKET}`;
let test: TestBus;
let objects: ObjectStore;
beforeAll(async () => {
  test = await startTestBus();
  objects = createObjectStore(test.bus, RESULTS_BUCKET, { chunkBytes: 1_000 });
});
afterAll(() => test.close());

async function* pieces(bytes: Uint8Array, pieceBytes = 777): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += pieceBytes) yield bytes.subarray(i, i + pieceBytes);
}
const read = async (...args: Parameters<ObjectStore['read']>) =>
  Buffer.concat(await collect(objects.read(...args)));
const storedMessages = async () => (await test.bus.manager.streams.info(STREAM)).state.messages;

describe('ObjectStore', () => {
  it('gives back what was put, whole and any range of it, however it was cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5_000 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.nat(5_500),
        fc.nat(5_500),
        async (bytes, pieceBytes, offset, length) => {
          const info = await objects.put('property', pieces(bytes, pieceBytes));
          expect(info.chunks.sizeBytes).toBe(bytes.length);
          expect(info.chunks.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
          const found = await objects.find('property');
          expect(await read(found!)).toEqual(Buffer.from(bytes));
          expect(await read(found!, { offset, length })).toEqual(
            Buffer.from(bytes.subarray(offset, offset + length)),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is read by the client’s own object store, and listed by it', async () => {
    const bytes = randomBytes(3_500);
    await objects.put('renders/acme/x/video', pieces(bytes), { mediaType: 'video/mp4' });
    const theirs = await test.bus.jetstream.views.os(RESULTS_BUCKET);
    expect(Buffer.from((await theirs.getBlob('renders/acme/x/video'))!)).toEqual(bytes);
    expect(await theirs.info('renders/acme/x/video')).toMatchObject({ size: 3_500, chunks: 4 });
    expect((await theirs.list()).map(({ name }) => name)).toContain('renders/acme/x/video');
  });

  it('keeps one copy under a name, and leaves nothing of what is removed', async () => {
    const before = await storedMessages();
    await objects.put('replaced', pieces(randomBytes(2_500)));
    const info = await objects.put('replaced', pieces(randomBytes(1_500)));
    expect(await storedMessages()).toBe(before + 3);
    await objects.remove(info);
    expect(await storedMessages()).toBe(before);
    expect(await objects.find('replaced')).toBeUndefined();
    expect(await objects.names('replaced')).toEqual([]);
  });

  it('lets one of two concurrent writers win a name, without leaving the other’s chunks', async () => {
    const before = await storedMessages();
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => objects.put('raced', pieces(Buffer.alloc(2_500, i)))),
    );
    expect(await storedMessages()).toBe(before + 4);
    const bytes = await read((await objects.find('raced'))!);
    expect(bytes.equals(Buffer.alloc(2_500, bytes[0]))).toBe(true);
    await objects.remove((await objects.find('raced'))!);
    expect(await storedMessages()).toBe(before);
  });

  it('removes no newer object than the one that was meant', async () => {
    const first = await objects.put('newer', pieces(randomBytes(10)));
    await objects.put('newer', pieces(Buffer.from('second')));
    expect((await faultOf(objects.remove(first))).reason).toBe('REVISION_STALE');
    expect(String(await read((await objects.find('newer'))!))).toBe('second');
  });

  it('takes names over that another client has deleted', async () => {
    const theirs = await test.bus.jetstream.views.os(RESULTS_BUCKET);
    await theirs.putBlob({ name: 'shared' }, randomBytes(10));
    await theirs.delete('shared');
    expect(await objects.find('shared')).toBeUndefined();
    const info = await objects.put('shared', pieces(Buffer.from('ours')));
    expect(String(await read(info))).toBe('ours');
    await objects.remove(info);
    expect(await objects.names('shared')).toEqual([]);
  });

  it('brings nothing old to light when a newer object is removed', async () => {
    const old = await objects.put('layered', pieces(Buffer.from('old')));
    const left = await test.bus.manager.streams.getMessage(STREAM, { seq: old.revision });
    const current = await objects.put('layered', pieces(Buffer.from('new')));
    // As a writer leaves it that dies between naming the new object and deleting the old name.
    const before = await objects.put('layered 2', pieces(Buffer.from('x')));
    await test.bus.jetstream.publish(left.subject, left.data);
    await test.bus.jetstream.publish(left.subject, left.data);
    const found = await objects.find('layered');
    await objects.remove({ ...found!, chunks: current.chunks });
    expect(await objects.find('layered')).toBeUndefined();
    expect(await objects.find('layered 2')).toEqual(expect.objectContaining({ revision: before.revision }));
  });

  it('gives the disk back: the server accounts for what is stored, and no more', async () => {
    const own = await startTestBus();
    const store = createObjectStore(own.bus, RESULTS_BUCKET);
    const used = async () => (await own.bus.manager.getAccountInfo()).storage;
    for (let i = 0; i < 5; i++) await store.put('again', pieces(randomBytes(1 << 20), 1 << 16));
    expect(await used()).toBeLessThan(1.1 * 2 ** 20);
    await store.remove((await store.find('again'))!);
    await faultOf(
      store.write(pieces(randomBytes(1 << 20), 1 << 16), {
        limit: { bytes: 1 << 19, fault: () => new Fault('invalid', 'ASSET_TOO_LARGE', 'file: too large') },
      }),
    );
    expect(await used()).toBe(0);
    await own.close();
  });

  it('leaves nothing of an upload whose source fails, is too large, or is aborted while it gives nothing', async () => {
    const before = await storedMessages();
    const failing = (async function* () {
      yield randomBytes(2_500);
      throw new Fault('cancelled', 'CALLER_CANCELLED', 'gone');
    })();
    expect((await faultOf(objects.write(failing))).reason).toBe('CALLER_CANCELLED');
    const limit = { bytes: 2_000, fault: () => new Fault('invalid', 'ASSET_TOO_LARGE', 'file: too large') };
    expect((await faultOf(objects.write(pieces(randomBytes(9_000)), { limit }))).reason).toBe(
      'ASSET_TOO_LARGE',
    );
    let released = false;
    const silent = (async function* () {
      try {
        yield randomBytes(2_500);
        await new Promise((resolve) => setTimeout(resolve, 400));
        yield randomBytes(1);
      } finally {
        released = true;
      }
    })();
    const begun = performance.now();
    expect((await faultOf(objects.write(silent, { signal: AbortSignal.timeout(100) }))).reason).toBe(
      'DEADLINE_EXCEEDED',
    );
    expect(performance.now() - begun).toBeLessThan(350);
    await until(() => released);
    expect(await storedMessages()).toBe(before);
  });

  it('asks its source only for what it has stored, and the store only for what is read', async () => {
    let given = 0;
    const source = (async function* () {
      for (; given < 40; given++) yield Buffer.alloc(1_000, given);
    })();
    const stored: number[] = [];
    const watching = setInterval(() => stored.push(given), 1);
    const info = await objects.put('lazy', source);
    clearInterval(watching);
    expect(Math.max(0, ...stored.map((count, i) => count - (stored[i - 1] ?? 0)))).toBeLessThan(30);
    const before = test.bus.nats.stats().inMsgs;
    const reader = objects.read(info);
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(test.bus.nats.stats().inMsgs - before).toBeLessThanOrEqual(2);
    await reader.return();
  });

  it('says so when the object is replaced or removed while it is read', async () => {
    const info = await objects.put('changing', pieces(randomBytes(9_000)));
    const reader = objects.read(info);
    await reader.next();
    await objects.put('changing', pieces(randomBytes(5)));
    expect((await faultOf(collect(reader))).reason).toBe('OBJECT_CHANGED');
  });

  it('finds damage', async () => {
    const bytes = randomBytes(2_500);
    const info = await objects.put('damaged', pieces(bytes));
    const other = await objects.put('other', pieces(randomBytes(2_500)));
    const forged = { ...info, chunks: { ...info.chunks, sequences: other.chunks.sequences } };
    expect((await faultOf(read(forged))).reason).toBe('OBJECT_CORRUPT');
    const short = { ...info, chunks: { ...info.chunks, sequences: [...info.chunks.sequences].reverse() } };
    expect((await faultOf(read(short))).reason).toBe('OBJECT_CORRUPT');
  });

  it('goes on through a crash of the server, both ways, with every byte once', async () => {
    const bytes = randomBytes(60_000);
    const crashing = (async function* () {
      for (let i = 0; i < 60; i++) {
        if (i === 30) test.crashServer();
        yield bytes.subarray(i * 1_000, (i + 1) * 1_000);
      }
    })();
    const info = await objects.put('crashed', crashing);
    const parts: Uint8Array[] = [];
    for await (const part of objects.read(info)) {
      parts.push(part);
      if (parts.length === 30) test.crashServer();
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    const { state } = await test.bus.manager.streams.info(STREAM, {
      subjects_filter: `$O.${RESULTS_BUCKET}.C.${info.chunks.id}`,
    });
    expect(Object.values(state.subjects!)).toEqual([60]);
  });

  it('fits its chunks to the server’s largest message', async () => {
    const { max_payload } = test.bus.nats.info!;
    const large = createObjectStore(test.bus, RESULTS_BUCKET, { chunkBytes: max_payload * 4 });
    const bytes = randomBytes(max_payload + 10);
    const info = await large.put('large chunks', pieces(bytes, 1 << 16));
    expect(info.chunks.sequences).toHaveLength(2);
    expect((await read(info)).equals(bytes)).toBe(true);
  });
});

describe('limits of an object store', () => {
  it('a full one refuses with STORE_FULL, keeps what it has intact, and takes more when something was removed', async () => {
    const small = await startTestBus({ results: { maxBytes: 8 * OBJECT_CHUNK_BYTES } });
    const store = createObjectStore(small.bus, RESULTS_BUCKET);
    const bytes = randomBytes(3 * OBJECT_CHUNK_BYTES);
    const first = await store.put('first', pieces(bytes, 1 << 16));
    const fault = await faultOf(store.put('second', pieces(randomBytes(6 * OBJECT_CHUNK_BYTES), 1 << 16)));
    expect([fault.kind, fault.reason]).toEqual(['saturated', 'STORE_FULL']);
    expect(await store.find('second')).toBeUndefined();
    expect((await small.bus.manager.streams.info(STREAM)).state.messages).toBe(4);
    expect(Buffer.concat(await collect(store.read(first))).equals(bytes)).toBe(true);
    await store.remove(first);
    await store.put('second', pieces(randomBytes(6 * OBJECT_CHUNK_BYTES), 1 << 16));
    await small.close();
  });

  it('objects expire', async () => {
    const short = await startTestBus({ results: { maxAgeMs: 300 } });
    const store = createObjectStore(short.bus, RESULTS_BUCKET);
    const info = await store.put('short', pieces(randomBytes(100)));
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await store.find('short')).toBeUndefined();
    expect((await faultOf(collect(store.read(info)))).reason).toBe('OBJECT_CHANGED');
    await short.close();
  });

  it('the limit of the whole server refuses with STORE_FULL, and loses nothing', async () => {
    const small = await startTestServer({ maxStoreBytes: 4 << 20 });
    await ensureTopology(small.bus);
    const store = createObjectStore(small.bus, RESULTS_BUCKET);
    const bytes = randomBytes(1 << 20);
    const first = await store.put('first', pieces(bytes, 1 << 16));
    const fault = await faultOf(store.put('second', pieces(randomBytes(8 << 20), 1 << 16)));
    expect([fault.kind, fault.reason]).toEqual(['saturated', 'STORE_FULL']);
    expect(Buffer.concat(await collect(store.read(first))).equals(bytes)).toBe(true);
    await store.put('third', pieces(randomBytes(1 << 20), 1 << 16));
    await faultOf(store.put('second', pieces(randomBytes(8 << 20), 1 << 16)));
    await store.remove(first);
    await store.put('first', pieces(bytes, 1 << 16));
    await small.close();
  });
});
