/**
 * Uploaded faces and voices, in the object store `talkmesh_assets`, named by the SHA-256 of their content. The same
 * content is stored once; who uploaded it is kept beside it, and to anybody else it does not exist.
 */
import { Fault, invalidField, toFault } from '#lib/fault/fault.ts';
import { assetDigest } from '#lib/media/assets.ts';
import { isStale } from './bus-fault.ts';
import type { ObjectInfo, WrittenChunks } from './object-info.ts';
import type { ObjectStore } from './object-store.ts';
import { checkTenant } from './tenant.ts';
import { TOPOLOGY_DEFAULTS } from './topology.ts';

export interface AssetStoreConfig {
  /** The same as `assets.maxAgeMs` of the topology: how long an upload is kept. */
  readonly retentionMs?: number;
}

export interface UploadOptions {
  /** As the uploader says, such as "video/mp4"; empty when it does not say. */
  readonly mediaType: string;
  /** Largest size that is taken. */
  readonly limitBytes: number;
  /** Ends the upload; nothing is kept. */
  readonly signal?: AbortSignal;
}

export interface Asset {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly id: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly expireTime: Date;
}

export interface AssetStore {
  /**
   * Stores an upload as it arrives, in constant memory. The same content again gives the same id, and a new life.
   *
   * @throws Fault ASSET_EMPTY, ASSET_TOO_LARGE, STORE_FULL, and whatever the iterable throws; nothing is kept then
   */
  put(tenant: string, bytes: AsyncIterable<Uint8Array>, options: UploadOptions): Promise<Asset>;
  /** @throws Fault ASSET_ID_INVALID, ASSET_MISSING when this tenant has not uploaded it */
  stat(tenant: string, assetId: string): Promise<Asset>;
  /**
   * Deletes a tenant's upload. The content goes when nobody else has uploaded it too: then the result is true.
   *
   * @throws Fault ASSET_ID_INVALID, ASSET_MISSING
   */
  delete(tenant: string, assetId: string): Promise<boolean>;
}

interface Ownership {
  readonly mediaType: string;
  readonly expiresAtMs: number;
}

type Owners = Readonly<Record<string, Ownership>>;

const OWNERS_KEY = 'talkmesh-owners';

export function createAssetStore(objects: ObjectStore, config: AssetStoreConfig = {}): AssetStore {
  const retentionMs = config.retentionMs ?? TOPOLOGY_DEFAULTS.assets.maxAgeMs;

  async function name(written: WrittenChunks, tenant: string, ownership: Ownership): Promise<void> {
    for (;;) {
      const before = await objects.find(written.sha256);
      const owners = { ...(before === undefined ? {} : ownersOf(before)), [tenant]: ownership };
      try {
        await objects.commit(written.sha256, written, { [OWNERS_KEY]: JSON.stringify(owners) }, before);
        return;
      } catch (error) {
        if (!isStale(error)) throw error;
      }
    }
  }

  async function owned(
    tenant: string,
    assetId: string,
  ): Promise<{ info: ObjectInfo; owners: Owners; mine: Ownership }> {
    const info = await objects.find(assetDigest(assetId));
    const owners = info === undefined ? {} : ownersOf(info);
    const mine = owners[checkTenant(tenant)];
    if (info === undefined || mine === undefined) throw assetMissing(assetId);
    return { info, owners, mine };
  }

  return {
    async put(tenant, bytes, { mediaType, limitBytes, signal }) {
      checkTenant(tenant);
      // From the start of the upload, as its first chunks expire first.
      const ownership = { mediaType, expiresAtMs: Date.now() + retentionMs };
      const limit = { bytes: limitBytes, fault: () => tooLarge(limitBytes) };
      const written = await objects.write(bytes, { limit, ...(signal === undefined ? {} : { signal }) });
      if (written.sizeBytes === 0)
        throw invalidField('ASSET_EMPTY', 'file', 'has no bytes; send the file itself');
      try {
        await name(written, tenant, ownership);
      } catch (error) {
        // Without an answer, the name may have been given all the same.
        if (toFault(error).kind !== 'unavailable') await objects.discard(written);
        throw error;
      }
      return toAsset(written, ownership);
    },

    async stat(tenant, assetId) {
      const { info, mine } = await owned(tenant, assetId);
      return toAsset(info.chunks, mine);
    },

    async delete(tenant, assetId) {
      for (;;) {
        const { info, owners } = await owned(tenant, assetId);
        const { [tenant]: _, ...others } = owners;
        try {
          if (Object.keys(others).length > 0) {
            await objects.annotate(info, { [OWNERS_KEY]: JSON.stringify(others) });
            return false;
          }
          await objects.remove(info);
          return true;
        } catch (error) {
          if (!isStale(error)) throw error;
        }
      }
    },
  };
}

/** Who has uploaded this content, less those whose upload has expired. */
function ownersOf(info: ObjectInfo): Owners {
  const owners = JSON.parse(info.metadata[OWNERS_KEY] ?? '{}') as Owners;
  return Object.fromEntries(Object.entries(owners).filter(([, { expiresAtMs }]) => expiresAtMs > Date.now()));
}

/** Whether anybody still has this asset. */
export function isAssetAlive(info: ObjectInfo): boolean {
  return Object.keys(ownersOf(info)).length > 0;
}

export function assetMissing(assetId: string): Fault {
  return new Fault(
    'missing',
    'ASSET_MISSING',
    `asset_id: no asset ${assetId} is stored; it may have expired`,
    {
      violations: [{ field: 'asset_id', description: 'no such asset; upload it, perhaps again' }],
    },
  );
}

function tooLarge(limitBytes: number): Fault {
  return invalidField('ASSET_TOO_LARGE', 'file', `has more than ${limitBytes} bytes; send a smaller one`);
}

function toAsset(chunks: WrittenChunks, ownership: Ownership): Asset {
  return {
    id: `sha256:${chunks.sha256}`,
    sizeBytes: chunks.sizeBytes,
    mediaType: ownership.mediaType,
    expireTime: new Date(ownership.expiresAtMs),
  };
}
