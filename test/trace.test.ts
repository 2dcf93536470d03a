/** One trace for one render: from the HTTP request through NATS to every call, every face and the mux. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makePhoto, makeVoice } from './support/clips.ts';
import { startFiveProcesses } from './support/five-processes.ts';
import { createHttpClient, type RenderJson } from './support/http-client.ts';
import { createFolder, type TestFolder } from './support/mesh-process.ts';
import { type SpanFacts, startTraceCollector } from './support/trace-collector.ts';

const FRAME_COUNT = 10;
const GOOD = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const BAD = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

let folder: TestFolder;
let spans: readonly SpanFacts[];
let face: string;
let voice: string;
let done: RenderJson;
let failed: RenderJson;

beforeAll(async () => {
  folder = await createFolder();
  const collector = await startTraceCollector();
  const mesh = await startFiveProcesses(folder.path, { TALKMESH_OTLP_TRACES_URL: collector.url });
  const client = createHttpClient(mesh.url);
  const render = async (voiceAssetId: string, { traceId, spanId }: typeof GOOD): Promise<RenderJson> => {
    const headers = { traceparent: `00-${traceId}-${spanId}-01` };
    const { id } = await client.createRender({ sourceAssetId: face, voiceAssetId }, headers);
    return await client.untilEnded(id);
  };
  try {
    face = await client.upload(await makePhoto(folder.path, 320, 'portrait.jpg'));
    voice = await client.upload(await makeVoice(folder.path, FRAME_COUNT / 25, 'sentence.wav'));
    done = await render(voice, GOOD);
    failed = await render(await client.upload(join(import.meta.dirname, 'support/wait.ts')), BAD);
  } finally {
    // Spans are sent at the latest when a process stops.
    await mesh.stop();
    await collector.close();
  }
  spans = collector.spans;
});
afterAll(() => folder.remove());

/** "service: parent > child" of every span of a trace, each once, sorted. */
function edges({ traceId, spanId }: typeof GOOD): string[] {
  const ofTrace = spans.filter((span) => span.traceId === traceId);
  const names = new Map(ofTrace.map((span) => [span.spanId, `${short(span.service)} ${short(span.name)}`]));
  names.set(spanId, 'caller');
  const all = ofTrace.map((span) => `${names.get(span.parentSpanId)} > ${names.get(span.spanId)}`);
  return [...new Set(all)].sort();
}

function short(name: string): string {
  return name.replace(/^talkmesh-/, '').replace(/^talkmesh\.\w+\.v1\./, '');
}

it('follows a render through five processes', () => {
  expect(done.state).toBe('RENDER_STATE_SUCCEEDED');
  expect(edges(GOOD)).toEqual(
    [
      'caller > gateway POST /v1/renders',
      'gateway POST /v1/renders > gateway RenderService/CreateRender',
      'gateway RenderService/CreateRender > gateway CompositorService/ListBundles',
      'gateway CompositorService/ListBundles > compositor CompositorService/ListBundles',
      // Through NATS, to whichever worker took it.
      'gateway RenderService/CreateRender > compositor compositor.render',
      'compositor compositor.render > compositor AudioService/Encode',
      'compositor AudioService/Encode > audio AudioService/Encode',
      'compositor compositor.render > compositor LandmarkService/Track',
      'compositor LandmarkService/Track > landmark LandmarkService/Track',
      'compositor compositor.render > compositor DenoiserService/Denoise',
      'compositor DenoiserService/Denoise > denoiser DenoiserService/Denoise',
      'denoiser DenoiserService/Denoise > denoiser denoiser.face',
      'compositor compositor.render > compositor compositor.mux',
    ].sort(),
  );
});

it('has one span for each face that is denoised', () => {
  const faces = spans.filter(({ name, traceId }) => name === 'denoiser.face' && traceId === GOOD.traceId);
  const indices = faces.map(({ attributes }) => Number(attributes['talkmesh.frame_index']));
  expect(indices.sort((a, b) => a - b)).toEqual(Array.from({ length: FRAME_COUNT }, (_, i) => i));
  for (const { durationMs } of faces) expect(durationMs).toBeGreaterThan(0);
});

it('shows where a render failed, and its record names the trace', () => {
  expect(failed).toMatchObject({
    state: 'RENDER_STATE_FAILED',
    error: { reason: expect.stringMatching(/^MEDIA_/), traceId: BAD.traceId },
  });
  const reasons = spans
    .filter(({ traceId, attributes }) => traceId === BAD.traceId && attributes['error.type'] !== undefined)
    .map(({ name, attributes }) => `${short(name)} ${attributes['error.type']}`);
  expect(reasons).toContain(`compositor.render ${failed.error!.reason}`);
  expect(edges(BAD)).not.toContain('compositor compositor.render > compositor compositor.mux');
});

it('says nothing of faces, voices or files', () => {
  const keys = new Set(spans.flatMap(({ attributes }) => Object.keys(attributes)));
  const known = ['attempt', 'frame_index', 'mean_batch_size', 'render_id', 'segment_count'];
  expect([...keys].sort()).toEqual(
    ['error.type', 'rpc.system', ...known.map((key) => `talkmesh.${key}`)].sort(),
  );
  const text = JSON.stringify(spans);
  for (const secret of [face.slice(7), voice.slice(7), folder.path, 'portrait', 'sentence']) {
    expect(text).not.toContain(secret);
  }
});
