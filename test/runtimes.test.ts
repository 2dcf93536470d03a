/** The same code on Node, Deno and Bun: the contract of every binding, and a whole render, frame by frame. */
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePhoto, makeVoice, samplesOf } from './support/clips.ts';
import { createHttpClient } from './support/http-client.ts';
import { filesBelow } from './support/leftovers.ts';
import { openLive } from './support/live-socket.ts';
import {
  createFolder,
  PROJECT,
  RUNTIMES,
  type RuntimeName,
  runTalkmesh,
  startMesh,
  type TestFolder,
} from './support/mesh-process.ts';
import { frameHashes } from './support/videos.ts';

const run = promisify(execFile);
const SECONDS = 1;

let folder: TestFolder;
let face: string;
let voice: string;
let expected: string[];

beforeAll(async () => {
  folder = await createFolder();
  face = await makePhoto(folder.path, 384);
  voice = await makeVoice(folder.path, SECONDS);
  expected = await render('node');
});
afterAll(() => folder.remove());

async function render(runtime: RuntimeName): Promise<string[]> {
  const temp = join(folder.path, `temp-${runtime}`);
  await mkdir(temp);
  const out = join(folder.path, `${runtime}.mp4`);
  const { status, stderr } = await runTalkmesh(
    ['render', '--source', face, '--audio', voice, '--out', out, '--seed', '5'],
    { TALKMESH_TEMP_FOLDER: temp, TMPDIR: temp },
    runtime,
  );
  expect(stderr).toMatch(/rendering: 25 of 25 frames/);
  expect(status, stderr).toBe(0);
  expect(await filesBelow(temp)).toEqual([]);
  return frameHashes(out);
}

describe.each(['deno', 'bun'] as const)('%s', (runtime) => {
  it('keeps the contract of every binding', { timeout: 300_000 }, async () => {
    const report = join(folder.path, `${runtime}.json`);
    const vitest = join(PROJECT, 'node_modules/vitest/vitest.mjs');
    // Bun hands a script that begins with "#!/usr/bin/env node" to node unless it is told not to.
    const [program, ...flags] = runtime === 'bun' ? [RUNTIMES.bun[0], '--bun'] : RUNTIMES[runtime];
    const options = ['--project', 'unit', '--reporter', 'json', '--outputFile', report];
    await run(program, [...flags, vitest, 'run', ...options, 'lib/rpc/contract'], { cwd: PROJECT });
    const { testResults } = JSON.parse(await readFile(report, 'utf8')) as {
      testResults: { assertionResults: { fullName: string; status: string }[] }[];
    };
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(results.length).toBeGreaterThan(100);
    expect(results.filter(({ status }) => status !== 'passed')).toEqual([]);
    const elsewhere = results.filter(({ fullName }) => !fullName.toLowerCase().includes(`, ${runtime}: `));
    expect(elsewhere).toEqual([]);
  });

  it("renders Node's frames, and leaves nothing behind", async () => {
    expect(expected).toHaveLength(SECONDS * 25);
    expect(await render(runtime)).toEqual(expected);
  });

  it('serves the whole mesh: a render over HTTP and a live stream', async () => {
    const mesh = await startMesh(
      [],
      {
        TALKMESH_DATA_FOLDER: join(folder.path, `data-${runtime}`),
        TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
        TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
      },
      runtime,
    );
    try {
      const url = `http://${mesh.addresses.http}`;
      const client = createHttpClient(url);
      const [sourceAssetId, voiceAssetId] = [await client.upload(face), await client.upload(voice)];
      const { id } = await client.createRender({ sourceAssetId, voiceAssetId, face: { seed: '5' } });
      const done = await client.untilEnded(id);
      expect(done).toMatchObject({ state: 'RENDER_STATE_SUCCEEDED', frameCount: '25' });
      expect((await client.video(id)).length).toBe(Number(done.result!.sizeBytes));

      const voiceFormat = { encoding: 'SOUND_ENCODING_PCM_S16LE', sampleRateHz: 16_000 };
      const live = await openLive(url, { sourceAssetId, voiceFormat });
      live.send(await samplesOf(voice, 's16le'));
      live.command({ end: true });
      expect(await live.closed).toEqual({ code: 1000, reason: '' });
      expect(live.items.at(-1)).toMatchObject({ is: 'summary', frameCount: '25' });
    } finally {
      await mesh.kill('SIGTERM');
    }
    expect(mesh.child.exitCode).toBe(0);
  });
});
