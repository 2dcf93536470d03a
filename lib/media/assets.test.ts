import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalAssets } from './assets.ts';
import { createTestFolder, type TestFolder } from './test-media.ts';

let folder: TestFolder;
beforeAll(async () => {
  folder = await createTestFolder();
});
afterAll(() => folder.remove());

const signal = new AbortController().signal;
const digest = (content: string) => createHash('sha256').update(content).digest('hex');

describe('createLocalAssets()', () => {
  it('opens a registered file by its content', async () => {
    await writeFile(folder.file('a.bin'), 'content');
    const assets = createLocalAssets();
    const id = await assets.register(folder.file('a.bin'));
    expect(id).toBe(`sha256:${digest('content')}`);
    const asset = await assets.open(id, signal);
    expect(asset).toMatchObject({ path: folder.file('a.bin'), sha256: digest('content'), sizeBytes: 7 });
    await asset.close();
  });

  it.each([
    '../../etc/passwd',
    '/etc/passwd',
    'file:///etc/passwd',
    'http://127.0.0.1/x',
    'sha256:../../etc/passwd',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(64)}\n`,
    '',
  ])('refuses %j as an id: ASSET_ID_INVALID', async (id) => {
    await expect(createLocalAssets().open(id, signal)).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'ASSET_ID_INVALID',
    });
  });

  it('knows only what was registered: ASSET_MISSING', async () => {
    await expect(createLocalAssets().open(`sha256:${digest('?')}`, signal)).rejects.toMatchObject({
      kind: 'missing',
      reason: 'ASSET_MISSING',
    });
  });

  it('refuses a file that changed after it was named: ASSET_CHANGED', async () => {
    await writeFile(folder.file('b.bin'), 'before');
    const assets = createLocalAssets();
    const id = await assets.register(folder.file('b.bin'));
    await writeFile(folder.file('b.bin'), 'afterwards');
    await expect(assets.open(id, signal)).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'ASSET_CHANGED',
    });
  });

  it('registers regular files only: MEDIA_MISSING', async () => {
    await expect(createLocalAssets().register(folder.path)).rejects.toMatchObject({
      reason: 'MEDIA_MISSING',
    });
    await expect(createLocalAssets().register(folder.file('none'))).rejects.toMatchObject({
      reason: 'MEDIA_MISSING',
    });
  });

  it('does nothing for a caller who has gone', async () => {
    await expect(
      createLocalAssets().open(`sha256:${digest('?')}`, AbortSignal.abort()),
    ).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
  });
});
