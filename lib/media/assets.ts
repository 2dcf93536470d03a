import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { abortFault, Fault, invalidField } from '#lib/fault/fault.ts';

/** Stored files by id. A service opens what a request names through this, never a path or an address of a request. */
export interface AssetSource {
  /** Faults: ASSET_ID_INVALID, ASSET_MISSING, ASSET_CHANGED. */
  open(assetId: string, signal: AbortSignal): Promise<OpenAsset>;
}

/** A seekable local file, valid until `close`. */
export interface OpenAsset {
  readonly path: string;
  /** Lower-case hexadecimal digest of the content. */
  readonly sha256: string;
  readonly sizeBytes: number;
  close(): Promise<void>;
}

export interface LocalAssets extends AssetSource {
  /** Makes a local file openable for as long as this object lives; the same content has the same id. */
  register(path: string, signal?: AbortSignal): Promise<string>;
}

const ASSET_ID = /^sha256:([0-9a-f]{64})$/;

/** The digest in an asset id. Fault ASSET_ID_INVALID for anything else, such as a path. */
export function assetDigest(assetId: string, field = 'assetId'): string {
  const digest = ASSET_ID.exec(assetId)?.[1];
  if (digest === undefined) {
    throw invalidField(
      'ASSET_ID_INVALID',
      field,
      'an asset id is "sha256:" and 64 lower-case hexadecimal digits',
    );
  }
  return digest;
}

/** Local files, by content: the asset source of a render in one process. */
export function createLocalAssets(): LocalAssets {
  const files = new Map<string, { path: string; sizeBytes: number; modifiedMs: number }>();
  return {
    register: async (path, signal) => {
      const absolute = resolve(path);
      const before = await statFile(absolute);
      const sha256 = await hashFile(absolute, signal);
      files.set(sha256, { path: absolute, ...before });
      return `sha256:${sha256}`;
    },
    open: async (assetId, signal) => {
      if (signal.aborted) throw abortFault(signal);
      const sha256 = assetDigest(assetId);
      const known = files.get(sha256);
      if (known === undefined)
        throw new Fault('missing', 'ASSET_MISSING', `assetId: no asset ${assetId} is stored`);
      const now = await statFile(known.path);
      if (now.sizeBytes !== known.sizeBytes || now.modifiedMs !== known.modifiedMs) {
        throw new Fault(
          'precondition',
          'ASSET_CHANGED',
          'assetId: the file has changed since it was named; start again',
        );
      }
      return { path: known.path, sha256, sizeBytes: known.sizeBytes, close: () => Promise.resolve() };
    },
  };
}

async function statFile(path: string): Promise<{ sizeBytes: number; modifiedMs: number }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error('not a regular file');
    return { sizeBytes: found.size, modifiedMs: found.mtimeMs };
  } catch (error) {
    throw new Fault('missing', 'MEDIA_MISSING', 'the file is not there or is not a regular file', {
      cause: error,
    });
  }
}

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    hash,
    signal === undefined ? {} : { signal },
  );
  return hash.digest('hex');
}
