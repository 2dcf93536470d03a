import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeClipFolder } from './clip-folder.ts';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'talkmesh-clips-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function leave(name: string): Promise<string> {
  await mkdir(join(parent, name));
  await writeFile(join(parent, name, 'segment-000000.mp4'), 'a face');
  return name;
}

describe('makeClipFolder', () => {
  it('removes what dead processes left, and nothing else', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    await leave(`clip-${hostname()}-${child.pid}-AbCdEf`);
    const kept = await Promise.all([
      leave(`clip-${hostname()}-${process.ppid}-AbCdEf`),
      leave(`clip-elsewhere-${child.pid}-AbCdEf`),
      leave('clippings'),
    ]);
    const first = basename(await makeClipFolder(parent));
    const second = basename(await makeClipFolder(parent));
    expect((await readdir(parent)).sort()).toEqual([...kept, first, second].sort());
  });

  it('removes what a process of its own id left before it, as in a container that was restarted', async () => {
    await leave(`clip-${hostname()}-${process.pid}-AbCdEf`);
    const folder = await makeClipFolder(parent);
    expect(await readdir(parent)).toEqual([basename(folder)]);
  });

  it('says when there is no such place: MEDIA_IO_FAILED', async () => {
    await expect(makeClipFolder(join(parent, 'nowhere'))).rejects.toMatchObject({
      reason: 'MEDIA_IO_FAILED',
    });
  });
});
