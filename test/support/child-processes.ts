/** Which processes a process has started, from /proc. */
import { readdir, readFile } from 'node:fs/promises';

interface ProcessFacts {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
}

/** Living descendants of a process with the given program name. */
export async function descendants(pid: number, name: string): Promise<number[]> {
  const all = await listProcesses();
  const found: number[] = [];
  const visit = (parent: number): void => {
    for (const child of all.filter((one) => one.parent === parent)) {
      if (child.name === name) found.push(child.pid);
      visit(child.pid);
    }
  };
  visit(pid);
  return found;
}

async function listProcesses(): Promise<ProcessFacts[]> {
  const entries = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  // A process may end while it is looked at.
  const stats = await Promise.all(
    entries.map((entry) => readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')),
  );
  return stats
    .map((stat) => /^(\d+) \((.*)\) (\S) (\d+)/s.exec(stat))
    .filter((match) => match !== null && match[3] !== 'Z')
    .map((match) => ({ pid: Number(match![1]), name: match![2]!, parent: Number(match![4]) }));
}
