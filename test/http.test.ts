/** Renders over HTTP: one `talkmesh up`, as a caller sees it. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_FACE, makeVoice } from './support/clips.ts';
import { createHttpClient, type HttpClient, type RenderJson } from './support/http-client.ts';
import { createFolder, type MeshProcess, startMesh, type TestFolder } from './support/mesh-process.ts';
import { scrape } from './support/prometheus.ts';
import { videoFacts } from './support/videos.ts';
import { until } from './support/wait.ts';

const UNKNOWN_RENDER = '01JZZZZZZZZZZZZZZZZZZZZZZZ';
const UNKNOWN_ASSET = `sha256:${'0'.repeat(64)}`;

let folder: TestFolder;
let mesh: MeshProcess;
let url: string;
let client: HttpClient;
let face: string;
let voice: string;
let longVoice: string;

beforeAll(async () => {
  folder = await createFolder();
  const shortPath = await makeVoice(folder.path, 1);
  const longPath = await makeVoice(folder.path, 120);
  mesh = await startMesh([], {
    TALKMESH_DATA_FOLDER: join(folder.path, 'data'),
    TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
    TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
    TALKMESH_RENDERS_AT_ONCE: '1',
  });
  url = `http://${mesh.addresses.http}`;
  client = createHttpClient(url);
  face = await client.upload(DEMO_FACE);
  voice = await client.upload(shortPath);
  longVoice = await client.upload(longPath);
});
afterAll(async () => {
  await mesh?.kill('SIGTERM');
  await folder.remove();
});

async function problem(response: Response): Promise<{ status: number; reason: string; field?: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body = (await response.json()) as {
    status: number;
    reason: string;
    detail: string;
    traceId: string;
    violations?: { field: string }[];
  };
  expect(body.status).toBe(response.status);
  expect(body.detail).not.toBe('');
  expect(body.traceId).toMatch(/^[0-9a-f]{32}$/);
  const field = body.violations?.[0]?.field;
  return { status: body.status, reason: body.reason, ...(field === undefined ? {} : { field }) };
}

const post = (body: string): Promise<Response> => client.request('/v1/renders', { method: 'POST', body });
const remove = (id: string): Promise<Response> => client.request(`/v1/renders/${id}`, { method: 'DELETE' });
const read = async (id: string): Promise<RenderJson> =>
  (await (await client.request(`/v1/renders/${id}`)).json()) as RenderJson;
const untilRunning = (id: string): Promise<void> =>
  until('the render runs', async () => (await read(id)).state === 'RENDER_STATE_RUNNING');
const untilIdle = (): Promise<void> =>
  until('no stream is left', async () => (await scrape(url)).sum('talkmesh_active_streams') === 0);

describe('a render that succeeds', () => {
  const request = () => ({ sourceAssetId: face, voiceAssetId: voice, face: { seed: '3' } });
  let events: RenderJson[];
  let done: RenderJson;

  beforeAll(async () => {
    const response = await client.request('/v1/renders', {
      method: 'POST',
      body: JSON.stringify(request()),
      headers: { 'idempotency-key': 'the-first' },
    });
    expect(response.status).toBe(201);
    const created = (await response.json()) as RenderJson;
    expect(created.state).toBe('RENDER_STATE_QUEUED');
    expect(response.headers.get('location')).toBe(`/v1/renders/${created.id}`);
    events = [];
    done = await client.untilEnded(created.id, (render) => events.push(render));
  });

  it('tells each state in order, counts its frames, and says how it came to be', async () => {
    expect(done).toMatchObject({ state: 'RENDER_STATE_SUCCEEDED', frameCount: '25', attemptCount: 1 });
    expect([...new Set(events.map(({ state }) => state))]).toEqual([
      'RENDER_STATE_QUEUED',
      'RENDER_STATE_RUNNING',
      'RENDER_STATE_SUCCEEDED',
    ]);
    const counts = events.map(({ frameCount }) => Number(frameCount));
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(done.result).toMatchObject({
      width: 640,
      height: 640,
      mediaType: 'video/mp4',
      frameRate: { numerator: 25, denominator: 1 },
      duration: '1s',
      provenance: {
        bundle: 'tiny',
        seed: '3',
        provider: 'cpu',
        referenceMode: 'REFERENCE_MODE_SOURCE',
        sourceSha256: face.slice('sha256:'.length),
        voiceSha256: voice.slice('sha256:'.length),
      },
    });
    expect(await read(done.id)).toEqual(done);
  });

  it('gives its video, whole and in ranges', async () => {
    const path = `/v1/renders/${done.id}/video`;
    const whole = await client.request(path);
    const bytes = new Uint8Array(await whole.arrayBuffer());
    expect(whole.status).toBe(200);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'video/mp4',
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      etag: `"${done.result!.sha256}"`,
    });
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(done.result!.sha256);
    const file = join(folder.path, 'video.mp4');
    await writeFile(file, bytes);
    expect(await videoFacts(file)).toMatchObject({
      video: { codec_name: 'h264', pix_fmt: 'yuv420p', avg_frame_rate: '25/1' },
      audio: { codec_name: 'aac' },
    });

    const range = async (header: string) => {
      const response = await client.request(path, { headers: { range: header } });
      const part = new Uint8Array(await response.arrayBuffer());
      return { status: response.status, range: response.headers.get('content-range'), part };
    };
    const size = bytes.length;
    expect(await range('bytes=10-109')).toEqual({
      status: 206,
      range: `bytes 10-109/${size}`,
      part: bytes.subarray(10, 110),
    });
    expect(await range('bytes=-7')).toEqual({
      status: 206,
      range: `bytes ${size - 7}-${size - 1}/${size}`,
      part: bytes.subarray(size - 7),
    });
    const beyond = await client.request(path, { headers: { range: `bytes=${size}-` } });
    expect(await problem(beyond)).toMatchObject({ status: 416, reason: 'RANGE_UNSATISFIABLE' });
  });

  it('sends the events after a given one again, and none after the last', async () => {
    const path = `/v1/renders/${done.id}/events`;
    const idsAfter = async (lastEventId: string): Promise<string[]> => {
      const response = await client.request(path, { headers: { 'last-event-id': lastEventId } });
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
      return [...(await response.text()).matchAll(/^id: (\d+)$/gm)].map((match) => match[1]!);
    };
    const all = await idsAfter('0');
    expect(all.length).toBeGreaterThanOrEqual(3);
    expect(await idsAfter(all[0]!)).toEqual(all.slice(1));
    expect(await idsAfter(all.at(-1)!)).toEqual([]);
    const refused = await client.request(path, { headers: { 'last-event-id': 'first' } });
    expect(await problem(refused)).toEqual({
      status: 400,
      reason: 'AFTER_SEQUENCE_INVALID',
      field: 'Last-Event-ID',
    });
  });

  it('is replayed under its Idempotency-Key, and another body is refused: IDEMPOTENCY_KEY_REUSED', async () => {
    const headers = { 'idempotency-key': 'the-first' };
    expect(await client.createRender(request(), headers)).toEqual(done);
    const body = JSON.stringify({ ...request(), face: { seed: '4' } });
    const other = await client.request('/v1/renders', { method: 'POST', body, headers });
    expect(await problem(other)).toMatchObject({ status: 409, reason: 'IDEMPOTENCY_KEY_REUSED' });
  });

  it('stays as it is when it is cancelled too late', async () => {
    expect(await (await remove(done.id)).json()).toEqual(done);
  });

  it('is counted by every stage', async () => {
    const metrics = await scrape(url);
    for (const stage of ['audio', 'denoiser', 'compositor']) {
      expect(metrics.sum('talkmesh_frames_total', { stage }), stage).toBe(25);
      expect(metrics.sum('talkmesh_stage_seconds_count', { stage }), stage).toBe(25);
    }
    expect(metrics.sum('talkmesh_frames_total', { stage: 'landmark' })).toBe(1);
    // Two steps a frame.
    expect(metrics.sum('talkmesh_batch_size_sum', { graph: 'denoiser' })).toBe(50);
    const route = { route: 'POST /v1/renders', status: '201' };
    expect(metrics.sum('talkmesh_http_seconds_count', route)).toBeGreaterThanOrEqual(1);
  });
});

describe('a render that is cancelled', () => {
  it('ends at once while it runs, and frees every stage; one that waits is never begun', async () => {
    const running = await client.createRender({ sourceAssetId: face, voiceAssetId: longVoice });
    await untilRunning(running.id);
    const waiting = await client.createRender({ sourceAssetId: face, voiceAssetId: longVoice });
    await until('one waits', async () => (await scrape(url)).sum('talkmesh_queue_depth') === 1);
    expect((await scrape(url)).sum('talkmesh_queue_age_seconds')).toBeGreaterThan(0);

    expect(await (await remove(waiting.id)).json()).toMatchObject({ state: 'RENDER_STATE_CANCELLED' });
    expect(await (await remove(running.id)).json()).toMatchObject({ state: 'RENDER_STATE_CANCELLED' });
    expect(await client.untilEnded(running.id)).toMatchObject({ state: 'RENDER_STATE_CANCELLED' });
    await untilIdle();
    expect(await read(waiting.id)).toMatchObject({ state: 'RENDER_STATE_CANCELLED', attemptCount: 0 });
    expect((await scrape(url)).sum('talkmesh_queue_depth')).toBe(0);
    const video = await client.request(`/v1/renders/${running.id}/video`);
    expect(await problem(video)).toMatchObject({ status: 404, reason: 'VIDEO_NOT_FOUND' });
  });
});

describe('the list of renders', () => {
  it('comes newest first in pages, which together are all of it', async () => {
    const page = async (query: string) =>
      (await (await client.request(`/v1/renders?${query}`)).json()) as {
        renders: RenderJson[];
        nextPageToken: string;
      };
    const { renders: all } = await page('');
    expect(all.length).toBeGreaterThanOrEqual(3);
    const found: string[] = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const { renders, nextPageToken } = await page(`pageSize=2&pageToken=${encodeURIComponent(token)}`);
      found.push(...renders.map(({ id }) => id));
      token = nextPageToken || undefined;
    }
    expect(found).toEqual(all.map(({ id }) => id));
    expect(found).toEqual([...found].sort().reverse());
  });

  it.each([
    ['pageSize=-1', 'PAGE_SIZE_INVALID'],
    ['pageSize=many', 'QUERY_INVALID'],
    ['pageToken=nonsense', 'PAGE_TOKEN_INVALID'],
  ])('refuses %s: %s', async (query, reason) => {
    expect(await problem(await client.request(`/v1/renders?${query}`))).toMatchObject({
      status: 400,
      reason,
    });
  });
});

describe('a render that cannot be made', () => {
  const cases: [string, object, number, string, string][] = [
    ['without a face', { sourceAssetId: '' }, 400, 'ASSET_REQUIRED', 'sourceAssetId'],
    ['without a voice', { voiceAssetId: '' }, 400, 'ASSET_REQUIRED', 'voiceAssetId'],
    ['of an asset that is not there', { voiceAssetId: UNKNOWN_ASSET }, 404, 'ASSET_MISSING', 'voiceAssetId'],
    ['of a path', { sourceAssetId: '../../../etc/passwd' }, 400, 'ASSET_ID_INVALID', 'sourceAssetId'],
    ['with an unknown bundle', { face: { bundle: 'nobody' } }, 404, 'BUNDLE_UNKNOWN', 'face.bundle'],
    [
      'in 10,000 steps',
      { face: { inferenceStepCount: 10_000 } },
      400,
      'STEPS_OUT_OF_RANGE',
      'face.inferenceStepCount',
    ],
    [
      'in -1 steps',
      { face: { inferenceStepCount: -1 } },
      400,
      'STEPS_OUT_OF_RANGE',
      'face.inferenceStepCount',
    ],
    [
      'at 10 fps',
      { output: { frameRate: { numerator: 10 } } },
      400,
      'FRAME_RATE_UNSUPPORTED',
      'output.frameRate',
    ],
    ['with a field that nobody knows', { colour: 'red' }, 400, 'BODY_INVALID', 'body'],
  ];
  it.each(cases)('%s', async (_, change, status, reason, field) => {
    const response = await post(JSON.stringify({ sourceAssetId: face, voiceAssetId: voice, ...change }));
    expect(await problem(response)).toEqual({ status, reason, field });
  });

  it('because its body is no JSON, or too large', async () => {
    expect(await problem(await post('{'))).toMatchObject({ status: 400, reason: 'BODY_NOT_JSON' });
    const large = await post(JSON.stringify({ sourceAssetId: 'x'.repeat(300_000) }));
    expect(await problem(large)).toMatchObject({ status: 413, reason: 'BODY_TOO_LARGE' });
  });

  it.each(['', '/events', '/video'])('is not there: GET /v1/renders/{id}%s', async (suffix) => {
    const response = await client.request(`/v1/renders/${UNKNOWN_RENDER}${suffix}`);
    const reason = suffix === '/video' ? 'VIDEO_NOT_FOUND' : 'RENDER_NOT_FOUND';
    expect(await problem(response)).toMatchObject({ status: 404, reason });
  });

  it('is counted by its reason', async () => {
    const metrics = await scrape(url);
    expect(metrics.sum('talkmesh_rejects_total', { reason: 'STEPS_OUT_OF_RANGE' })).toBe(2);
  });
});

describe('POST /v1/talk', () => {
  async function form(voicePath: string, fields: Record<string, string> = {}): Promise<FormData> {
    const body = new FormData();
    body.set('source', new Blob([await readFile(DEMO_FACE)], { type: 'image/jpeg' }), 'face.jpg');
    body.set('audio', new Blob([await readFile(voicePath)], { type: 'audio/wav' }), 'voice.wav');
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return body;
  }
  const talk = (body: FormData, init: RequestInit = {}): Promise<Response> =>
    client.request('/v1/talk', { method: 'POST', body, ...init });
  const voicePath = (seconds: number): string => join(folder.path, `voice-${seconds}.wav`);

  it('answers with the video', async () => {
    const fields = { face: '{"seed": "5"}', output: '{"container": "CONTAINER_WEBM"}' };
    const response = await talk(await form(voicePath(1), fields));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('video/webm');
    const render = await read(response.headers.get('talkmesh-render-id')!);
    expect(render.result).toMatchObject({ mediaType: 'video/webm', provenance: { seed: '5' } });
    const path = join(folder.path, 'talk.webm');
    await writeFile(path, new Uint8Array(await response.arrayBuffer()));
    const { video, audio, frameTimesS } = await videoFacts(path);
    expect([video.codec_name, audio.codec_name, frameTimesS.length]).toEqual(['vp9', 'opus', 25]);
  });

  it('cancels the render of a caller who hangs up', async () => {
    const hangUp = new AbortController();
    const answer = talk(await form(voicePath(120)), { signal: hangUp.signal });
    answer.catch(() => undefined);
    const newest = async (): Promise<RenderJson> =>
      ((await (await client.request('/v1/renders?pageSize=1')).json()) as { renders: RenderJson[] })
        .renders[0]!;
    await until('it runs', async () => (await newest()).state === 'RENDER_STATE_RUNNING');
    const { id } = await newest();
    hangUp.abort();
    await expect(answer).rejects.toThrow();
    await until('it is cancelled', async () => (await read(id)).state === 'RENDER_STATE_CANCELLED');
    await untilIdle();
  });

  it('refuses what is no form, and a form that lacks a file or has one too many', async () => {
    const plain = await client.request('/v1/talk', { method: 'POST', body: '{}' });
    expect(await problem(plain)).toMatchObject({ status: 400, reason: 'MULTIPART_EXPECTED' });
    const faceless = await form(voicePath(1));
    faceless.delete('source');
    expect(await problem(await talk(faceless))).toMatchObject({ reason: 'FILE_REQUIRED', field: 'source' });
    const more = await form(voicePath(1), { colour: 'red' });
    expect(await problem(await talk(more))).toMatchObject({ reason: 'FIELD_UNKNOWN', field: 'colour' });
  });

  it('answers with the problem of a voice without sound', async () => {
    const response = await talk(await form(DEMO_FACE));
    expect(await problem(response)).toMatchObject({ status: 400, reason: 'MEDIA_NO_SOUND', field: 'voice' });
  });
});
