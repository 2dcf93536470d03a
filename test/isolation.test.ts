/** Two tenants at once, each with a render and a live stream: nothing of one is in the other. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_FACE, ffmpeg, makeTone, samplesOf } from './support/clips.ts';
import { createHttpClient, type HttpClient } from './support/http-client.ts';
import { openLive } from './support/live-socket.ts';
import { createFolder, type MeshProcess, startMesh, type TestFolder } from './support/mesh-process.ts';
import { scrape } from './support/prometheus.ts';
import { frameHashes, meanColours, toneShare } from './support/videos.ts';

const SECONDS = 3;
/** The upper edge of the picture, far from the face, in the tenant's colour. */
const STRIP = { x: 0, y: 0, width: 384, height: 48 };
const TENANTS = {
  red: { key: 'red-key-0123456789', rgb: [255, 0, 0], hertz: 440, seed: '1' },
  blue: { key: 'blue-key-0123456789', rgb: [0, 0, 255], hertz: 1_000, seed: '2' },
} as const;
type TenantName = keyof typeof TENANTS;
const NAMES = ['red', 'blue'] as const;

let folder: TestFolder;
let mesh: MeshProcess;
let url: string;
/** Paths of what each tenant got while both were served. */
const outputs: Record<TenantName, { render: string; live: string }> = {
  red: { render: '', live: '' },
  blue: { render: '', live: '' },
};
const assets: Record<TenantName, { client: HttpClient; face: string; voice: string; voicePath: string }> =
  Object.create(null);

beforeAll(async () => {
  folder = await createFolder();
  mesh = await startMesh([], {
    TALKMESH_DATA_FOLDER: join(folder.path, 'data'),
    TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
    TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
    TALKMESH_API_KEYS: NAMES.map((name) => `${name}:${TENANTS[name].key}`).join(','),
    TALKMESH_RENDERS_AT_ONCE: '2',
  });
  url = `http://${mesh.addresses.http}`;
  for (const name of NAMES) {
    const { key, hertz } = TENANTS[name];
    const client = createHttpClient(url, key);
    const facePath = join(folder.path, `${name}.png`);
    const { width, height } = STRIP;
    const strip = `scale=384:384,format=rgb24,drawbox=w=${width}:h=${height}:color=${name}:t=fill`;
    await ffmpeg('-i', DEMO_FACE, '-vf', strip, facePath);
    const voicePath = await makeTone(folder.path, hertz, SECONDS);
    assets[name] = {
      client,
      voicePath,
      face: await client.upload(facePath),
      voice: await client.upload(voicePath),
    };
  }
  await Promise.all(
    NAMES.flatMap((name) => [
      render(name, 'together').then((path) => Object.assign(outputs[name], { render: path })),
      stream(name).then((path) => Object.assign(outputs[name], { live: path })),
    ]),
  );
});
afterAll(async () => {
  await mesh?.kill('SIGTERM');
  await folder.remove();
});

async function render(name: TenantName, label: string): Promise<string> {
  const { client, face, voice } = assets[name];
  const request = { sourceAssetId: face, voiceAssetId: voice, face: { seed: TENANTS[name].seed } };
  const { id } = await client.createRender(request);
  expect((await client.untilEnded(id)).error).toBeUndefined();
  const path = join(folder.path, `${name}-${label}.mp4`);
  await writeFile(path, await client.video(id));
  return path;
}

async function stream(name: TenantName): Promise<string> {
  const { face, voicePath } = assets[name];
  const voice = await samplesOf(voicePath, 's16le');
  const voiceFormat = { encoding: 'SOUND_ENCODING_PCM_S16LE', sampleRateHz: 16_000 };
  const live = await openLive(url, { sourceAssetId: face, voiceFormat }, { key: TENANTS[name].key });
  for (let at = 0; at < voice.length; at += 3_200) live.send(voice.subarray(at, at + 3_200));
  live.command({ end: true });
  expect(await live.closed).toEqual({ code: 1000, reason: '' });
  const path = join(folder.path, `${name}-live.mp4`);
  await writeFile(path, live.media());
  return path;
}

describe.each(NAMES)('%s', (name) => {
  const other = name === 'red' ? 'blue' : 'red';

  it.each(['render', 'live'] as const)(
    '%s: every frame has its own colour, and the sound its own tone',
    async (kind) => {
      const path = outputs[name][kind];
      const colours = await meanColours(path, STRIP);
      expect(colours).toHaveLength(SECONDS * 25);
      for (const [i, colour] of colours.entries()) {
        // 4:2:0 video keeps saturated colours to a few levels.
        TENANTS[name].rgb.forEach((level, channel) => {
          expect(Math.abs(colour[channel]! - level), `frame ${i}`).toBeLessThan(12);
        });
      }
      expect(await toneShare(path, TENANTS[name].hertz)).toBeGreaterThan(0.9);
      expect(await toneShare(path, TENANTS[other].hertz)).toBeLessThan(1e-4);
    },
  );

  it('has the frames that it gets when it is alone', async () => {
    expect(await frameHashes(outputs[name].render)).toEqual(await frameHashes(await render(name, 'alone')));
  });
});

it('although they shared the runs of the denoiser', async () => {
  const metrics = await scrape(url);
  const rows = metrics.sum('talkmesh_batch_size_sum', { graph: 'denoiser' });
  expect(rows).toBeGreaterThan(1.05 * metrics.sum('talkmesh_batch_size_count', { graph: 'denoiser' }));
});
