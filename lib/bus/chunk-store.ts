/**
 * The bytes of objects, as numbered chunks in a stream. Each chunk is acknowledged before the next is sent, and a
 * reader asks for exactly the chunks that it needs, when it needs them, by their sequence in the stream: so neither
 * side holds more than two chunks, and no consumer exists on the server.
 */
import { createHash } from 'node:crypto';
import { nuid, type PubAck } from 'nats';
import { Fault } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';
import type { Bus, CallPatience } from './connection.ts';
import type { WrittenChunks } from './object-info.ts';
import { rechunk } from './rechunk.ts';
import { deleteMessage, readDirectly, readMessage } from './stored-message.ts';
import { OBJECT_CHUNK_BYTES, objectStream } from './topology.ts';

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

export interface ChunkStore {
  /** Stores the bytes under a new id. What fails leaves nothing. */
  write(bytes: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<WrittenChunks>;
  /** See `ObjectStore.read`. */
  read(
    chunks: WrittenChunks,
    range?: ByteRange,
    patience?: CallPatience,
  ): AsyncGenerator<Uint8Array, void, undefined>;
  /** Deletes chunks; `erase` overwrites them on the server's disk. */
  remove(chunks: WrittenChunks, erase: boolean): Promise<void>;
  /** Deletes chunks that nobody can see. What cannot be deleted now goes with its age, and a warning says so. */
  sweep(chunks: Pick<WrittenChunks, 'id' | 'sequences'>): Promise<void>;
}

const HEADER_ALLOWANCE_BYTES = 1024;
const DELETIONS_AT_ONCE = 16;

export function createChunkStore(bus: Bus, bucket: string, chunkBytes = OBJECT_CHUNK_BYTES): ChunkStore {
  const stream = objectStream(bucket);
  const subjectOf = (id: string): string => `$O.${bucket}.C.${id}`;

  async function removeAll(sequences: readonly number[], erase: boolean): Promise<void> {
    // Not by a purge of the subject: nats-server 2.9 does not take what a purge frees off its account of the disk.
    const left = sequences.values();
    const work = async (): Promise<void> => {
      for (const sequence of left)
        await deleteMessage(bus, stream, sequence, erase, 'deleting a stored file');
    };
    await Promise.all(Array.from({ length: DELETIONS_AT_ONCE }, work));
  }

  async function sweep({ id, sequences }: Pick<WrittenChunks, 'id' | 'sequences'>): Promise<void> {
    try {
      await removeAll(sequences, false);
      // A chunk whose answer was lost is not among the sequences.
      for (;;) {
        const query = { last_by_subj: subjectOf(id) };
        const stray = await readMessage(bus, stream, query, 'deleting a stored file');
        if (stray === undefined) return;
        await removeAll([stray.seq], false);
      }
    } catch (error) {
      reportStray(error, 'deleting unused chunks');
    }
  }

  async function write(bytes: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<WrittenChunks> {
    const id = nuid.next();
    const size = Math.min(chunkBytes, (bus.nats.info?.max_payload ?? chunkBytes) - HEADER_ALLOWANCE_BYTES);
    const patience = options.signal === undefined ? {} : { signal: options.signal };
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
        const publish = (): Promise<PubAck> => {
          inFlight = bus.jetstream.publish(subjectOf(id), chunk, publishOptions);
          return inFlight;
        };
        sequences.push((await bus.call('storing a file', publish, patience)).seq);
      }
    } catch (error) {
      // What is on its way would otherwise arrive after the sweep.
      await Promise.allSettled([inFlight]);
      await sweep({ id, sequences });
      throw error;
    }
    return { id, sequences, sizeBytes, chunkBytes: size, sha256: hash.digest('hex') };
  }

  async function readChunk(seq: number, patience: CallPatience | undefined): Promise<Uint8Array> {
    const during = 'reading a stored file';
    const chunk = await readDirectly(bus, stream, seq, during, patience);
    if (chunk !== undefined) return chunk;
    // A replica may lag behind; the leader knows.
    const message = await readMessage(bus, stream, { seq }, during, patience);
    if (message !== undefined) return message.data;
    throw new Fault(
      'superseded',
      'OBJECT_CHANGED',
      'the stored file was replaced or deleted while it was read',
    );
  }

  async function* read(
    chunks: WrittenChunks,
    range: ByteRange = { offset: 0, length: chunks.sizeBytes },
    patience?: CallPatience,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes, sequences } = chunks;
    const end = Math.min(range.offset + range.length, sizeBytes);
    if (range.offset >= end) return;
    const first = Math.floor(range.offset / chunks.chunkBytes);
    const last = Math.floor((end - 1) / chunks.chunkBytes);
    const hash = range.offset === 0 && end === sizeBytes ? createHash('sha256') : undefined;
    let next: Promise<Uint8Array> | undefined = readChunk(sequences[first]!, patience);
    try {
      for (let index = first; index <= last; index++) {
        const chunk: Uint8Array = await next!;
        next = index < last ? readChunk(sequences[index + 1]!, patience) : undefined;
        next?.catch(() => undefined);
        const startsAt = index * chunks.chunkBytes;
        if (chunk.length !== Math.min(chunks.chunkBytes, sizeBytes - startsAt)) throw corrupt();
        hash?.update(chunk);
        yield chunk.subarray(Math.max(0, range.offset - startsAt), Math.min(chunk.length, end - startsAt));
      }
    } finally {
      await next?.catch(() => undefined);
    }
    if (hash !== undefined && hash.digest('hex') !== chunks.sha256) throw corrupt();
  }

  return { write, read, sweep, remove: (chunks, erase) => removeAll(chunks.sequences, erase) };
}

function corrupt(): Fault {
  return new Fault('corrupt', 'OBJECT_CORRUPT', 'the stored file is damaged');
}
