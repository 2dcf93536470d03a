/**
 * Objects of any size in a NATS object store, streamed both ways in constant memory.
 *
 * The format is that of the NATS object store (ADR-20: chunks under `$O.<bucket>.C.<nuid>`, metadata under
 * `$O.<bucket>.M.<name>`), so the `nats` command line reads what is written here. The client's own implementation
 * is not used, as it holds a whole object in memory both when it writes and when its reader is slow, and cannot
 * start in the middle. Here the metadata also keeps the place of every chunk.
 */
import { nuid, type StoredMsg } from 'nats';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';
import { isStale } from './bus-fault.ts';
import { type ByteRange, type ChunkStore, createChunkStore, type WriteOptions } from './chunk-store.ts';
import type { Bus, CallPatience } from './connection.ts';
import {
  decodeInfo,
  encodeInfo,
  metaSubject,
  nameOfMetaSubject,
  type ObjectInfo,
  type WrittenChunks,
} from './object-info.ts';
import { deleteMessage, readMessage } from './stored-message.ts';
import { objectStream } from './topology.ts';

export interface ObjectStoreConfig {
  /** Size of a chunk, at most OBJECT_CHUNK_BYTES; less when the server's max_payload is smaller. */
  readonly chunkBytes?: number;
}

export interface ObjectStore {
  /** Stores the bytes without a name; nothing of it can be seen until `commit`. What fails leaves nothing. */
  write: ChunkStore['write'];
  /**
   * Names what was written. The chunks that it replaces are deleted.
   *
   * @param replaces what `find` gave; undefined when there was none
   * @throws Fault REVISION_STALE when that is not true any more, and then the written chunks are still there
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
  /**
   * Deletes an object without a trace: its bytes are overwritten on the server's disk. Works in a full store.
   *
   * @throws Fault REVISION_STALE when the name means something newer by now
   */
  remove(info: ObjectInfo): Promise<void>;
  /** Names that begin with the prefix. Costs a look at all names of the bucket. */
  names(prefix: string): Promise<string[]>;
}

export function createObjectStore(bus: Bus, bucket: string, config: ObjectStoreConfig = {}): ObjectStore {
  const stream = objectStream(bucket);
  const chunkStore = createChunkStore(bus, bucket, config.chunkBytes);

  function latest(name: string, patience?: CallPatience): Promise<StoredMsg | undefined> {
    const query = { last_by_subj: metaSubject(bucket, name) };
    return readMessage(bus, stream, query, 'looking for a stored file', patience);
  }

  async function find(name: string, patience?: CallPatience): Promise<ObjectInfo | undefined> {
    const message = await latest(name, patience);
    return message === undefined ? undefined : decodeInfo(message.data, message.seq, message.time);
  }

  /** The revision of nothing: zero, or that of a tombstone that another client has left. */
  async function vacantRevision(name: string): Promise<number> {
    const message = await latest(name);
    if (message === undefined) return 0;
    if (decodeInfo(message.data, message.seq, message.time) !== undefined) throw stale();
    return message.seq;
  }

  async function publishInfo(
    info: Omit<ObjectInfo, 'revision' | 'storedAt'>,
    replaces: ObjectInfo | undefined,
  ): Promise<ObjectInfo> {
    const lastSubjectSequence = replaces?.revision ?? (await vacantRevision(info.name));
    const options = { msgID: nuid.next(), expect: { lastSubjectSequence } };
    const storedAt = new Date();
    const data = encodeInfo(bucket, info, storedAt);
    const subject = metaSubject(bucket, info.name);
    const ack = await bus.call('naming a stored file', () => bus.jetstream.publish(subject, data, options));
    if (lastSubjectSequence > 0) await forget(lastSubjectSequence);
    return { ...info, revision: ack.seq, storedAt };
  }

  /** Deletes metadata that a newer one has replaced. What is left of it is never looked at. */
  async function forget(revision: number): Promise<void> {
    await deleteMessage(bus, stream, revision, false, 'replacing a stored file').catch((error: unknown) =>
      reportStray(error, 'deleting replaced metadata'),
    );
  }

  async function commit(
    name: string,
    written: WrittenChunks,
    metadata: Readonly<Record<string, string>>,
    replaces: ObjectInfo | undefined,
  ): Promise<ObjectInfo> {
    const info = await publishInfo({ name, chunks: written, metadata }, replaces);
    if (replaces !== undefined) await chunkStore.sweep(replaces.chunks);
    return info;
  }

  return {
    write: chunkStore.write,
    commit,
    find,
    read: (info, range, patience) => chunkStore.read(info.chunks, range, patience),
    discard: chunkStore.sweep,
    annotate: (info, metadata) => publishInfo({ name: info.name, chunks: info.chunks, metadata }, info),

    async put(name, bytes, metadata = {}, options = {}) {
      const written = await chunkStore.write(bytes, options);
      for (;;) {
        try {
          return await commit(name, written, metadata, await find(name));
        } catch (error) {
          if (isStale(error)) continue;
          // Without an answer, the name may have been given all the same.
          if (toFault(error).kind !== 'unavailable') await chunkStore.sweep(written);
          throw error;
        }
      }
    },

    async remove(info) {
      // A message is deleted by its own sequence, so nothing newer can be hit. Older ones, which a writer that died
      // has left, must not come to light.
      for (;;) {
        const message = await latest(info.name);
        if (message === undefined) break;
        if (message.seq > info.revision) throw stale();
        await deleteMessage(bus, stream, message.seq, true, 'deleting a stored file');
      }
      await chunkStore.remove(info.chunks, true);
    },

    async names(prefix) {
      const query = { subjects_filter: `$O.${bucket}.M.*` };
      const info = await bus.call('listing stored files', () => bus.manager.streams.info(stream, query));
      return Object.keys(info.state.subjects ?? {})
        .map(nameOfMetaSubject)
        .filter((name) => name.startsWith(prefix))
        .sort();
    },
  };
}

function stale(): Fault {
  return new Fault('superseded', 'REVISION_STALE', 'somebody else changed the stored file first');
}
