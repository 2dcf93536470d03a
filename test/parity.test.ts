/** One code, three ways to run: the frames are the same. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEMO_FACE_VIDEO, makeVoice } from './support/clips.ts';
import { startFiveProcesses } from './support/five-processes.ts';
import { createHttpClient } from './support/http-client.ts';
import { createFolder, runTalkmesh, startMesh, type TestFolder } from './support/mesh-process.ts';
import { frameHashes } from './support/videos.ts';

let folder: TestFolder;
let voice: string;
let expected: string[];

beforeAll(async () => {
  folder = await createFolder();
  voice = await makeVoice(folder.path, 5);
  const out = join(folder.path, 'render.mp4');
  const { status, stderr } = await runTalkmesh([
    'render',
    ...['--source', DEMO_FACE_VIDEO, '--audio', voice, '--out', out, '--seed', '7'],
  ]);
  expect(status, stderr).toBe(0);
  expected = await frameHashes(out);
});
afterAll(() => folder.remove());

async function renderOver(url: string, name: string): Promise<string[]> {
  const client = createHttpClient(url);
  const [sourceAssetId, voiceAssetId] = [await client.upload(DEMO_FACE_VIDEO), await client.upload(voice)];
  const { id } = await client.createRender({ sourceAssetId, voiceAssetId, face: { seed: '7' } });
  const render = await client.untilEnded(id);
  expect(render.error).toBeUndefined();
  const path = join(folder.path, name);
  await writeFile(path, await client.video(id));
  return frameHashes(path);
}

it('talkmesh render gives one frame for each 40 ms of the voice', () => {
  expect(expected).toHaveLength(125);
});

it('talkmesh up gives the same frames', async () => {
  const mesh = await startMesh([], {
    TALKMESH_DATA_FOLDER: join(folder.path, 'up'),
    TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
    TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
  });
  try {
    expect(await renderOver(`http://${mesh.addresses.http}`, 'up.mp4')).toEqual(expected);
  } finally {
    await mesh.kill('SIGTERM');
  }
});

it('five processes give the same frames', async () => {
  const mesh = await startFiveProcesses(folder.path);
  try {
    expect(await renderOver(mesh.url, 'five.mp4')).toEqual(expected);
  } finally {
    await mesh.stop();
  }
});
