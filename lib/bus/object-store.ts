/**
 * Objects of any size in a NATS object store, streamed both ways in constant memory.
 *
 * The format is that of the NATS object store (ADR-20: chunks under `$O.<bucket>.C.<nuid>`, metadata under
 * `$O.<bucket>.M.<name>`), so the `nats` command line reads what is written here. The client's own
 * implementation is not used, as it holds a whole object in memory both when it writes and when its reader is
 * slow, and cannot start in the middle. Here each chunk is acknowledged before the next is sent, and the metadata
 * keeps the stream sequence of every chunk, so that a reader asks for exactly the chunks that it needs, when it
 * needs them, and needs no consumer on the server.
 */
import { createHash } from 'node:crypto';
import { headers, JsHeaders, nuid, type PubAck } from 'nats';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';
import { isStale } from './bus-fault.ts';
import type { Bus, CallPatience } from './connection.ts';
import {
  decodeInfo,
  encodeInfo,
  metaSubject,
  nameOfMetaSubject,
  type ObjectInfo,
  type WrittenChunks,
} from './object-info.ts';
import { rechunk } from './rechunk.ts';
import { readDirectly, readMessage } from './stored-message.ts';
import { OBJECT_CHUNK_BYTES, objectStream } from './topology.ts';

export interface ObjectStoreConfig {
  /** Size of a chunk, at most OBJECT_CHUNK_BYTES; less when the server's max_payload is smaller. */
  readonly chunkBytes?: number;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** What to throw when there are more bytes than this. */
  readonly limit?: { readonly bytes: number; readonly fault: () => Fault };
}

export interface ByteRange {
  /** First byte, from zero. */
  readonly offset: number;
  readonly length: number;
}

export interface ObjectStore {
  /** Stores the bytes without a name; nothing of it can be seen until `commit`. What fails leaves nothing. */
  write(bytes: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<WrittenChunks>;
  /**
   * Names what was written, in place of what the name meant before, if its revision still is `revision`.
   * The chunks that it replaces are deleted.
   *
   * @param replaces the object before; undefined when there was none
   * @throws Fault REVISION_STALE, and then the written chunks are still there
   */
  commit(
    name: string,
    written: WrittenChunks,
    metadata: Readonly<Record<string, string>>,
    replaces: ObjectInfo | undefined,
  ): Promise<ObjectInfo>;
  /** Deletes what was written and not committed. */
  discard(written: WrittenChunks): Promise<void>;
  /** Changes the metadata of an object. @throws Fault REVISION_STALE */
  annotate(info: ObjectInfo, metadata: Readonly<Record<string, string>>): Promise<ObjectInfo>;
  /** Writes and commits, whatever was there before. */
  put(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    metadata?: Readonly<Record<string, string>>,
    options?: WriteOptions,
  ): Promise<ObjectInfo>;
  find(name: string, patience?: CallPatience): Promise<ObjectInfo | undefined>;
  /**
   * The bytes of an object, or of a range of it, in pieces of at most one chunk, read as they are asked for, one
   * chunk ahead. Whole reads are verified.
   *
   * @throws Fault OBJECT_CHANGED when the object was replaced or deleted while it was read, OBJECT_CORRUPT
   */
  read(
    info: ObjectInfo,
    range?: ByteRange,
    patience?: CallPatience,
  ): AsyncGenerator<Uint8Array, void, undefined>;
  /** Deletes an object and every trace of it. @throws Fault REVISION_STALE when it is not this revision any more */
  remove(info: ObjectInfo): Promise<void>;
  /** Names that begin with the prefix. Costs a look at all names of the bucket. */
  names(prefix: string): Promise<string[]>;
}

const HEADER_ALLOWANCE_BYTES = 1024;

export function createObjectStore(bus: Bus, bucket: string, config: ObjectStoreConfig = {}): ObjectStore {
  const chunkBytes = config.chunkBytes ?? OBJECT_CHUNK_BYTES;
  const stream = objectStream(bucket);
  const { streams } = bus.manager;
  const chunkSubject = (id: string): string => `$O.${bucket}.C.${id}`;

  async function purge(filter: string, upTo?: number): Promise<void> {
    const query = upTo === undefined ? { filter } : { filter, seq: upTo + 1 };
    await bus.call('deleting an object', () => streams.purge(stream, query));
  }

  /** Deletes what nobody can see. What cannot be deleted now goes with its age. */
  async function sweep(chunksId: string): Promise<void> {
    await purge(chunkSubject(chunksId)).catch((error: unknown) =>
      reportStray(error, 'deleting unused chunks'),
    );
  }

  async function write(bytes: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<WrittenChunks> {
    const id = nuid.next();
    const size = Math.min(chunkBytes, (bus.nats.info?.max_payload ?? chunkBytes) - HEADER_ALLOWANCE_BYTES);
    const hash = createHash('sha256');
    const sequences: number[] = [];
    let sizeBytes = 0;
    let inFlight: Promise<PubAck> | undefined;
    try {
      for await (const chunk of rechunk(bytes, size, options.signal)) {
        sizeBytes += chunk.length;
        if (options.limit !== undefined && sizeBytes > options.limit.bytes) throw options.limit.fault();
        hash.update(chunk);
        // The message id makes a chunk whose answer was lost count once.
        const publishOptions = { msgID: `${id}.${sequences.length}` };
        const publish = () => {
          inFlight = bus.jetstream.publish(chunkSubject(id), chunk, publishOptions);
          return inFlight;
        };
        const ack = await bus.call('storing an object', publish, patienceOf(options.signal));
        sequences.push(ack.seq);
      }
    } catch (error) {
      // What is on its way would otherwise arrive after the sweep.
      await Promise.allSettled([inFlight]);
      await sweep(id);
      throw error;
    }
    return { id, sequences, sizeBytes, chunkBytes: size, sha256: hash.digest('hex') };
  }

  async function publishInfo(
    info: Omit<ObjectInfo, 'revision' | 'storedAt'>,
    revision: number,
  ): Promise<ObjectInfo> {
    const rollup = headers();
    rollup.set(JsHeaders.RollupHdr, JsHeaders.RollupValueSubject);
    const options = { headers: rollup, msgID: nuid.next(), expect: { lastSubjectSequence: revision } };
    const storedAt = new Date();
    const data = encodeInfo(bucket, info, storedAt);
    const ack = await bus.call('naming an object', () =>
      bus.jetstream.publish(metaSubject(bucket, info.name), data, options),
    );
    return { ...info, revision: ack.seq, storedAt };
  }

  async function find(name: string, patience?: CallPatience): Promise<ObjectInfo | undefined> {
    const query = { last_by_subj: metaSubject(bucket, name) };
    const message = await readMessage(bus, stream, query, 'looking for an object', patience);
    return message === undefined ? undefined : decodeInfo(message.data, message.seq, message.time);
  }

  async function readChunk(info: ObjectInfo, index: number, patience?: CallPatience): Promise<Uint8Array> {
    const seq = info.chunks.sequences[index]!;
    const during = 'reading an object';
    const chunk = await readDirectly(bus, stream, seq, during, patience);
    if (chunk !== undefined) return chunk;
    const message = await readMessage(bus, stream, { seq }, during, patience);
    if (message !== undefined) return message.data;
    throw new Fault(
      'superseded',
      'OBJECT_CHANGED',
      'the stored file was replaced or deleted while it was read',
    );
  }

  async function* read(
    info: ObjectInfo,
    range: ByteRange = { offset: 0, length: info.chunks.sizeBytes },
    patience?: CallPatience,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes, sequences } = info.chunks;
    const end = Math.min(range.offset + range.length, sizeBytes);
    if (range.offset >= end) return;
    const first = Math.floor(range.offset / info.chunks.chunkBytes);
    const last = Math.floor((end - 1) / info.chunks.chunkBytes);
    const hash = range.offset === 0 && end === sizeBytes ? createHash('sha256') : undefined;
    let next: Promise<Uint8Array> | undefined = readChunk(info, first, patience);
    try {
      for (let index = first; index <= last; index++) {
        const chunk: Uint8Array = await next!;
        next = index < last ? readChunk(info, index + 1, patience) : undefined;
        next?.catch(() => undefined);
        const startsAt = index * info.chunks.chunkBytes;
        const expected = index < sequences.length - 1 ? info.chunks.chunkBytes : sizeBytes - startsAt;
        if (chunk.length !== expected) throw corrupt();
        hash?.update(chunk);
        yield chunk.subarray(Math.max(0, range.offset - startsAt), Math.min(chunk.length, end - startsAt));
      }
    } finally {
      await next?.catch(() => undefined);
    }
    if (hash !== undefined && hash.digest('hex') !== info.chunks.sha256) throw corrupt();
  }

  async function commit(
    name: string,
    written: WrittenChunks,
    metadata: Readonly<Record<string, string>>,
    replaces: ObjectInfo | undefined,
  ): Promise<ObjectInfo> {
    const info = await publishInfo({ name, chunks: written, metadata }, replaces?.revision ?? 0);
    if (replaces !== undefined) await sweep(replaces.chunks.id);
    return info;
  }

  return {
    write,
    commit,
    find,
    read,
    discard: (written) => sweep(written.id),
    annotate: (info, metadata) =>
      publishInfo({ name: info.name, chunks: info.chunks, metadata }, info.revision),

    async put(name, bytes, metadata = {}, options = {}) {
      const written = await write(bytes, options);
      for (;;) {
        try {
          return await commit(name, written, metadata, await find(name));
        } catch (error) {
          if (isStale(error)) continue;
          // Without an answer, the name may have been given all the same.
          if (toFault(error).kind !== 'unavailable') await sweep(written.id);
          throw error;
        }
      }
    },

    async remove(info) {
      // A tombstone takes the name if nobody else has; then it goes too, but nothing that came after it.
      const tombstone = { ...info.chunks, sequences: [], sizeBytes: 0, deleted: true };
      const marked = await publishInfo({ name: info.name, chunks: tombstone, metadata: {} }, info.revision);
      await purge(chunkSubject(info.chunks.id));
      await purge(metaSubject(bucket, info.name), marked.revision);
    },

    async names(prefix) {
      const query = { subjects_filter: `$O.${bucket}.M.*` };
      const info = await bus.call('listing objects', () => streams.info(stream, query));
      return Object.keys(info.state.subjects ?? {})
        .map(nameOfMetaSubject)
        .filter((name) => name.startsWith(prefix))
        .sort();
    },
  };
}

function patienceOf(signal: AbortSignal | undefined): CallPatience {
  return signal === undefined ? {} : { signal };
}

function corrupt(): Fault {
  return new Fault('corrupt', 'OBJECT_CORRUPT', 'the stored file is damaged');
}
