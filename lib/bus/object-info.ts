/** Metadata of objects, as the NATS object store keeps it (ADR-20), with the place of each chunk beside it. */
import { Fault } from '#lib/fault/fault.ts';

/** Bytes in the store. */
export interface WrittenChunks {
  /** Last token of the chunks' subject. */
  readonly id: string;
  /** Stream sequence of each chunk. */
  readonly sequences: readonly number[];
  readonly sizeBytes: number;
  /** Size of every chunk but the last. */
  readonly chunkBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface ObjectInfo {
  readonly name: string;
  readonly chunks: WrittenChunks;
  readonly metadata: Readonly<Record<string, string>>;
  /** Ascends with every change. */
  readonly revision: number;
  /** When the name was last given or annotated. */
  readonly storedAt: Date;
}

const SEQUENCES_KEY = 'talkmesh-chunk-sequences';
const DIGEST_PREFIX = 'SHA-256=';

interface StoredInfo {
  readonly name: string;
  readonly bucket: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly digest: string;
  readonly mtime: string;
  readonly deleted: boolean;
  readonly options: { readonly max_chunk_size: number };
  readonly metadata: Readonly<Record<string, string>>;
}

export function metaSubject(bucket: string, name: string): string {
  // Padded base64url is what other clients look under.
  return `$O.${bucket}.M.${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;
}

export function nameOfMetaSubject(subject: string): string {
  return Buffer.from(subject.slice(subject.lastIndexOf('.') + 1), 'base64url').toString();
}

export function encodeInfo(
  bucket: string,
  info: Pick<ObjectInfo, 'name' | 'chunks' | 'metadata'>,
  storedAt: Date,
): Uint8Array {
  const { chunks } = info;
  const digest = Buffer.from(chunks.sha256, 'hex')
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_');
  const stored: StoredInfo = {
    name: info.name,
    bucket,
    nuid: chunks.id,
    size: chunks.sizeBytes,
    chunks: chunks.sequences.length,
    digest: `${DIGEST_PREFIX}${digest}`,
    mtime: storedAt.toISOString(),
    deleted: false,
    options: { max_chunk_size: chunks.chunkBytes },
    metadata: { ...info.metadata, [SEQUENCES_KEY]: packSequences(chunks.sequences) },
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Undefined for the tombstone that other clients leave of a deleted object. */
export function decodeInfo(data: Uint8Array, revision: number, storedAt: Date): ObjectInfo | undefined {
  try {
    const stored = JSON.parse(Buffer.from(data).toString()) as StoredInfo;
    if (stored.deleted) return undefined;
    const { [SEQUENCES_KEY]: packed, ...metadata } = stored.metadata;
    const chunks: WrittenChunks = {
      id: stored.nuid,
      sequences: unpackSequences(packed ?? ''),
      sizeBytes: stored.size,
      chunkBytes: stored.options.max_chunk_size,
      sha256: Buffer.from(stored.digest.slice(DIGEST_PREFIX.length), 'base64url').toString('hex'),
    };
    if (chunks.sequences.length !== stored.chunks) throw new Error('the index of chunks is incomplete');
    return { name: stored.name, chunks, metadata, revision, storedAt };
  } catch (cause) {
    throw new Fault('corrupt', 'OBJECT_CORRUPT', 'the metadata of a stored file cannot be read', { cause });
  }
}

/** Differences as LEB128, in base64: one or two bytes a chunk, so that 100 GB of 256 KiB chunks fit a message. */
export function packSequences(sequences: readonly number[]): string {
  const bytes: number[] = [];
  let before = 0;
  for (const sequence of sequences) {
    let difference = sequence - before;
    before = sequence;
    while (difference >= 128) {
      bytes.push((difference % 128) | 128);
      difference = Math.floor(difference / 128);
    }
    bytes.push(difference);
  }
  return Buffer.from(bytes).toString('base64');
}

export function unpackSequences(packed: string): number[] {
  const sequences: number[] = [];
  let before = 0;
  let difference = 0;
  let scale = 1;
  for (const byte of Buffer.from(packed, 'base64')) {
    difference += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      before += difference;
      sequences.push(before);
      difference = 0;
      scale = 1;
    }
  }
  return sequences;
}
