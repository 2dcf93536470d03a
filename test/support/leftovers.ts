/** What a process that has ended may have left behind. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Names of all files and folders below a folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.map(({ parentPath, name }) => join(parentPath, name));
}

/** Programs that still run with the marker in their environment, which they have from the process that is gone. */
export async function processesMarked(marker: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    // A process may end while it is looked at, and those of other users are theirs.
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.includes(marker)) continue;
    found.push((await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim());
  }
  return found.filter((name) => name !== '');
}
