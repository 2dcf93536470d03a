/**
 * kill -9 of one process after the other at twenty random moments of renders: each render finishes, with the frames
 * of one that nobody disturbed.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROLES } from '#mesh/roles.ts';
import { makePhoto, makeVoice } from './support/clips.ts';
import { type FiveProcesses, startFiveProcesses } from './support/five-processes.ts';
import { createHttpClient, type HttpClient, type RenderJson } from './support/http-client.ts';
import { filesBelow, processesMarked } from './support/leftovers.ts';
import { createFolder, type TestFolder } from './support/mesh-process.ts';
import { createRandom } from './support/random.ts';
import { frameHashes } from './support/videos.ts';
import { sleep, until } from './support/wait.ts';

const KILLS = 20;
const SEED = 20_260_101;
const SECONDS = 10;
const LONGEST_PAUSE_MS = 1_500;
/** A render is given up after five attempts that ended badly; each process of the mesh costs one at most. */
const KILLS_PER_RENDER = ROLES.length;

let folder: TestFolder;
let temp: string;
let mesh: FiveProcesses;
let client: HttpClient;
let request: object;
let expected: string[];

beforeAll(async () => {
  folder = await createFolder();
  temp = join(folder.path, 'temp');
  await mkdir(temp);
  mesh = await startFiveProcesses(folder.path, {
    TALKMESH_SEGMENT_FRAMES: '50',
    TALKMESH_TEMP_FOLDER: temp,
    TMPDIR: temp,
  });
  client = createHttpClient(mesh.url);
  const sourceAssetId = await client.upload(await makePhoto(folder.path, 384));
  const voiceAssetId = await client.upload(await makeVoice(folder.path, SECONDS));
  // Each frame depends on the one before it, until the reference starts afresh.
  const face = { seed: '11', referenceMode: 'REFERENCE_MODE_PROGRESSIVE' };
  request = { sourceAssetId, voiceAssetId, face };
  const { id } = await client.createRender(request);
  expect((await client.untilEnded(id)).error).toBeUndefined();
  expected = await framesOf(id, 'undisturbed.mp4');
}, 300_000);
afterAll(() => folder.remove());

async function framesOf(id: string, name: string): Promise<string[]> {
  const path = join(folder.path, name);
  await writeFile(path, await client.video(id));
  return frameHashes(path);
}

it('loses and doubles no frame', { timeout: 1_200_000 }, async () => {
  const random = createRandom(SEED);
  expect(expected).toHaveLength(SECONDS * 25);
  expect(new Set(expected).size).toBeGreaterThan(SECONDS * 20);

  let kills = 0;
  for (let renders = 0; kills < KILLS; renders++) {
    const { id } = await client.createRender(request);
    let latest: RenderJson | undefined;
    let heardAtMs = 0;
    let ended = false;
    const end = client
      .untilEnded(id, (render) => {
        latest = render;
        heardAtMs = Date.now();
      })
      .finally(() => {
        ended = true;
      });
    const killedAtMs: number[] = [];
    let replacedAtMs = Date.now();
    while (killedAtMs.length < KILLS_PER_RENDER && kills + killedAtMs.length < KILLS) {
      // The render goes on before the next blow.
      await until(
        'the render goes on',
        () => ended || (heardAtMs > replacedAtMs && latest?.state === 'RENDER_STATE_RUNNING'),
        120_000,
      );
      await sleep(random() * LONGEST_PAUSE_MS);
      if (ended) break;
      const role = ROLES[(kills + killedAtMs.length) % ROLES.length]!;
      killedAtMs.push(Date.now());
      await mesh.replace(role);
      replacedAtMs = Date.now();
    }
    const done = await end;
    expect(done.error, `render ${renders}, after ${kills} kills, seed ${SEED}`).toBeUndefined();
    expect(await framesOf(id, `render-${renders}.mp4`), `render ${renders}, seed ${SEED}`).toEqual(expected);
    // Only what hit the render while it was made counts.
    kills += killedAtMs.filter((at) => at < Date.parse(done.updateTime)).length;
    console.log(`chaos: ${kills} kills, ${renders + 1} renders, ${done.attemptCount} attempts`);
  }
});

it('leaves nothing behind', async () => {
  await mesh.stop();
  expect(await processesMarked(temp)).toEqual([]);
  expect(await filesBelow(temp)).toEqual([]);
});
