/**
 * Assets as local files: what a service opens. A file is downloaded once for all who open it at the same time,
 * becomes visible only when it is whole and verified, and stays for a while after the last has closed it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, isFault, toFault } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import { reportStray } from '#lib/flow/stray.ts';
import { type AssetSource, assetDigest, type OpenAsset } from '#lib/media/assets.ts';
import { assetMissing, isAssetAlive } from './asset-store.ts';
import { inFolder } from './folder.ts';
import type { ObjectInfo } from './object-info.ts';
import type { ObjectStore } from './object-store.ts';

export interface AssetCacheConfig {
  /** Where files are kept. Several processes may share it: each has a folder of its own inside. */
  readonly folder: string;
  /** Bytes on disk. Files that are open are never removed. */
  readonly limitBytes?: number;
  /** How long a file stays after it was closed. Faces and voices should not lie about. */
  readonly idleMs?: number;
}

export interface AssetCache extends AssetSource {
  /**
   * Asks the store each time, so that what was deleted there cannot be opened.
   *
   * @throws Fault ASSET_ID_INVALID, ASSET_MISSING, CACHE_FULL, OBJECT_CORRUPT
   */
  open(assetId: string, signal: AbortSignal): Promise<OpenAsset>;
  /** Bytes on disk, downloads included. */
  readonly usedBytes: number;
  /** Removes all files. */
  close(): Promise<void>;
}

interface Entry {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly path: string;
  readonly download: Promise<void>;
  readonly cancel: AbortController;
  userCount: number;
  expiry: NodeJS.Timeout | undefined;
  removal: Promise<void> | undefined;
}

const DEFAULTS = { limitBytes: 8 * 2 ** 30, idleMs: 10 * 60_000 };
const MAX_RESTARTS = 5;
/** Folders of this process, by the name of the process and a random part. */
const ownFolders = new Set<string>();

/** @throws Fault FOLDER_UNUSABLE */
export async function createAssetCache(objects: ObjectStore, config: AssetCacheConfig): Promise<AssetCache> {
  const { limitBytes, idleMs } = { ...DEFAULTS, ...config };
  const folder = await inFolder(config.folder, () => makeFolder(config.folder));
  /** In the order of last use: the first is evicted first. */
  const entries = new Map<string, Entry>();
  let usedBytes = 0;

  /** Forgets the entry at once, and removes its file as soon as nothing writes to it any more. */
  function evict(entry: Entry): Promise<void> {
    if (entries.get(entry.sha256) === entry) entries.delete(entry.sha256);
    clearTimeout(entry.expiry);
    entry.cancel.abort();
    entry.removal ??= Promise.allSettled([entry.download])
      .then(() => rm(entry.path, { force: true }))
      .then(() => {
        usedBytes -= entry.sizeBytes;
      });
    return entry.removal;
  }

  /** Removes what was not used for longest until everything fits, what is being opened included. */
  async function makeRoom(neededBytes: number): Promise<void> {
    for (const entry of [...entries.values()]) {
      if (usedBytes <= limitBytes) return;
      if (entry.userCount === 0) await evict(entry);
    }
    if (usedBytes <= limitBytes) return;
    throw new Fault('saturated', 'CACHE_FULL', 'the asset cache is full of files in use; raise its limit', {
      retryAfterMs: 5_000,
      metadata: { limitBytes: String(limitBytes), neededBytes: String(neededBytes) },
    });
  }

  function startDownload(info: ObjectInfo): Entry {
    const { sha256, sizeBytes } = info.chunks;
    const cancel = new AbortController();
    const path = join(folder, `${sha256}-${randomBytes(4).toString('hex')}`);
    usedBytes += sizeBytes;
    const download = makeRoom(sizeBytes).then(() => downloadTo(objects, info, path, cancel.signal));
    const entry: Entry = {
      sha256,
      sizeBytes,
      path,
      download,
      cancel,
      userCount: 0,
      expiry: undefined,
      removal: undefined,
    };
    entries.set(sha256, entry);
    download.catch(() => evictLater(entry));
    return entry;
  }

  function evictLater(entry: Entry): void {
    evict(entry).catch((error: unknown) => reportStray(error, 'removing a cached file'));
  }

  function release(entry: Entry): void {
    entry.userCount -= 1;
    if (entry.userCount > 0 || entries.get(entry.sha256) !== entry) return;
    entries.delete(entry.sha256);
    entries.set(entry.sha256, entry);
    entry.expiry = setTimeout(() => evictLater(entry), idleMs).unref();
  }

  return {
    get usedBytes() {
      return usedBytes;
    },

    async open(assetId, signal) {
      const sha256 = assetDigest(assetId);
      const info = await objects.find(sha256, { signal });
      if (info === undefined || !isAssetAlive(info)) {
        const stale = entries.get(sha256);
        if (stale?.userCount === 0) await evict(stale);
        throw assetMissing(assetId);
      }
      const entry = entries.get(sha256) ?? startDownload(info);
      entry.userCount += 1;
      clearTimeout(entry.expiry);
      let closed = false;
      const close = async (): Promise<void> => {
        if (closed) return;
        closed = true;
        release(entry);
      };
      try {
        await raceAbort(entry.download, signal);
      } catch (error) {
        await close();
        // The download failed, or nobody waits for it any more.
        if (!signal.aborted) await evict(entry);
        else if (entry.userCount === 0) evictLater(entry);
        throw error;
      }
      return { path: entry.path, sha256, sizeBytes: entry.sizeBytes, close };
    },

    async close() {
      for (const entry of [...entries.values()]) await evict(entry);
      await rm(folder, { recursive: true, force: true });
      ownFolders.delete(folder);
    },
  };
}

async function downloadTo(
  objects: ObjectStore,
  info: ObjectInfo,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = `${path}.part`;
  let current = info;
  for (let restarts = 0; ; restarts++) {
    try {
      await writeFile(partial, objects.read(current, undefined, { signal }));
      await rename(partial, path);
      return;
    } catch (error) {
      await rm(partial, { force: true });
      // Uploaded again meanwhile: the same bytes are elsewhere in the store.
      const again = isFault(error) && error.reason === 'OBJECT_CHANGED' && restarts < MAX_RESTARTS;
      const next = again ? await objects.find(info.name, { signal }) : undefined;
      if (next === undefined) throw again ? assetMissing(`sha256:${info.name}`) : diskFault(error);
      current = next;
    }
  }
}

async function writeFile(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for await (const piece of bytes) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}

function diskFault(error: unknown): Fault {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return toFault(error);
  return new Fault('saturated', 'DISK_FULL', 'no space is left for cached assets', {
    cause: error,
    retryAfterMs: 30_000,
  });
}

/** A folder of this process's own. Those that dead processes left, with what is in them, are removed. */
async function makeFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  for (const name of await readdir(parent)) {
    const pid = /^assets-(\d+)-[0-9a-f]+$/.exec(name)?.[1];
    if (pid === undefined || ownFolders.has(join(parent, name)) || isOtherProcess(Number(pid))) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
  const folder = join(parent, `assets-${process.pid}-${randomBytes(4).toString('hex')}`);
  ownFolders.add(folder);
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

function isOtherProcess(pid: number): boolean {
  // In a container every process has the same id; a folder of ours that is not in the list is a predecessor's.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
