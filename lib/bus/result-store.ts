/**
 * What renders leave, in the object store `talkmesh_results`: videos, the checkpoints of segments while a render is
 * made, and the landmark tracks of sources. All of it goes when its time to live is over.
 */
import { Fault } from '#lib/fault/fault.ts';
import { isStale } from './bus-fault.ts';
import type { ByteRange, WriteOptions } from './chunk-store.ts';
import type { CallPatience } from './connection.ts';
import type { ObjectInfo } from './object-info.ts';
import type { ObjectStore } from './object-store.ts';
import { isRenderId } from './render-id.ts';
import { checkTenant } from './tenant.ts';

export interface StoredVideo {
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  readonly storedAt: Date;
  /**
   * The bytes of a range, in order, read from the store as they are asked for. Default: all, and then verified.
   *
   * @throws Fault OBJECT_CHANGED when the video was deleted meanwhile, OBJECT_CORRUPT
   */
  read(range?: ByteRange, patience?: CallPatience): AsyncIterable<Uint8Array>;
}

/** Small files under one name, whole in memory. */
export interface Blobs {
  /** In place of what the key meant before. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string, patience?: CallPatience): Promise<Uint8Array | undefined>;
  /** Sorted. */
  keys(): Promise<string[]>;
  /** Deletes one, or all. */
  delete(key?: string): Promise<void>;
}

export interface ResultStore {
  /** Stores the video of a render as it comes, in constant memory; nothing can be seen before it is whole. */
  putVideo(
    tenant: string,
    renderId: string,
    bytes: AsyncIterable<Uint8Array>,
    mediaType: string,
    options?: WriteOptions,
  ): Promise<StoredVideo>;
  /** @throws Fault VIDEO_NOT_FOUND */
  video(tenant: string, renderId: string): Promise<StoredVideo>;
  /** Checkpoints of one render. */
  checkpoints(tenant: string, renderId: string): Blobs;
  /** Landmark tracks of one source, by recipe. They are biometric data: delete them with the source. */
  tracks(sourceSha256: string): Blobs;
  /** Deletes the video and the checkpoints of a render. */
  deleteRender(tenant: string, renderId: string): Promise<void>;
}

const KEY_FORM = /^[A-Za-z0-9._-]{1,128}$/;
const SHA256_FORM = /^[0-9a-f]{64}$/;

export function createResultStore(objects: ObjectStore): ResultStore {
  function toVideo(info: ObjectInfo): StoredVideo {
    return {
      sizeBytes: info.chunks.sizeBytes,
      mediaType: info.metadata.mediaType ?? 'application/octet-stream',
      sha256: info.chunks.sha256,
      storedAt: info.storedAt,
      read: (range, patience) => objects.read(info, range, patience),
    };
  }

  async function remove(name: string): Promise<void> {
    for (;;) {
      const info = await objects.find(name);
      if (info === undefined) return;
      try {
        await objects.remove(info);
        return;
      } catch (error) {
        if (!isStale(error)) throw error;
      }
    }
  }

  function blobs(prefix: string): Blobs {
    return {
      async put(key, bytes) {
        await objects.put(prefix + checkKey(key), once(bytes));
      },
      async get(key, patience) {
        const info = await objects.find(prefix + checkKey(key), patience);
        if (info === undefined) return undefined;
        const pieces: Uint8Array[] = [];
        for await (const piece of objects.read(info, undefined, patience)) pieces.push(piece);
        return Buffer.concat(pieces);
      },
      async keys() {
        return (await objects.names(prefix)).map((name) => name.slice(prefix.length));
      },
      async delete(key) {
        const names = key === undefined ? await objects.names(prefix) : [prefix + checkKey(key)];
        for (const name of names) await remove(name);
      },
    };
  }

  return {
    async putVideo(tenant, renderId, bytes, mediaType, options) {
      return toVideo(await objects.put(videoName(tenant, renderId), bytes, { mediaType }, options));
    },
    async video(tenant, renderId) {
      const info = await objects.find(videoName(tenant, renderId));
      if (info === undefined) {
        throw new Fault('missing', 'VIDEO_NOT_FOUND', 'the render has no video, not yet or not any more');
      }
      return toVideo(info);
    },
    checkpoints: (tenant, renderId) => blobs(`${renderName(tenant, renderId)}/checkpoints/`),
    tracks(sourceSha256) {
      if (!SHA256_FORM.test(sourceSha256)) {
        throw new Fault(
          'internal',
          'SHA256_INVALID',
          'a source is named by 64 lower-case hexadecimal digits',
        );
      }
      return blobs(`tracks/${sourceSha256}/`);
    },
    async deleteRender(tenant, renderId) {
      for (const name of await objects.names(`${renderName(tenant, renderId)}/`)) await remove(name);
    },
  };
}

function renderName(tenant: string, renderId: string): string {
  if (!isRenderId(renderId))
    throw new Fault('missing', 'RENDER_NOT_FOUND', 'no such render; it may have expired');
  return `renders/${checkTenant(tenant)}/${renderId}`;
}

function videoName(tenant: string, renderId: string): string {
  return `${renderName(tenant, renderId)}/video`;
}

function checkKey(key: string): string {
  if (KEY_FORM.test(key)) return key;
  throw new Fault(
    'internal',
    'BLOB_KEY_INVALID',
    'a key is 1 to 128 of the characters A-Z, a-z, 0-9, ".", "_" and "-"',
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
