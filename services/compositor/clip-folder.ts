/** Where the segments of a clip are while it is made. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileFault } from '#lib/media/media-fault.ts';

/** Folders name who made them: containers that share a disk have process ids of their own. */
const PREFIX = `clip-${hostname()}-`;
const madeHere = new Set<string>();

/**
 * A new folder in `parent`. The caller removes it; what processes that were killed have left there is removed first,
 * as it shows faces.
 *
 * @throws Fault saturated DISK_FULL, internal MEDIA_IO_FAILED
 */
export async function makeClipFolder(parent: string): Promise<string> {
  try {
    await removeAbandoned(parent);
    const folder = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
    madeHere.add(folder);
    return folder;
  } catch (error) {
    throw fileFault(error);
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const pid = Number(/^(\d+)-\w+$/.exec(name.slice(PREFIX.length))?.[1]);
    const folder = join(parent, name);
    if (Number.isNaN(pid) || madeHere.has(folder) || isAnotherProcess(pid)) continue;
    await rm(folder, { recursive: true, force: true });
  }
}

function isAnotherProcess(pid: number): boolean {
  // A container's process has the same id each time it is started.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
