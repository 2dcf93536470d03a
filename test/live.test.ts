/** Live streams: speech in as it is spoken, video out as it is made, over WebSocket and gRPC. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SoundEncoding } from '#gen/talkmesh/media/v1/media_pb.ts';
import { RenderService } from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { connect } from '#lib/rpc/connect.ts';
import { ffmpeg, makePhoto, makeVoice, samplesOf } from './support/clips.ts';
import { createHttpClient } from './support/http-client.ts';
import { type LiveItem, type LiveSocket, type LiveSocketOptions, openLive } from './support/live-socket.ts';
import { createFolder, type MeshProcess, startMesh, type TestFolder } from './support/mesh-process.ts';
import { scrape } from './support/prometheus.ts';
import { soundLagsS, type VideoFacts, videoFacts } from './support/videos.ts';
import { sleep, until } from './support/wait.ts';

const HALF_A_FRAME_S = 0.02;
/** Sound ends with a whole AAC frame, filled with silence. */
const AAC_FRAME_S = 1024 / 48_000;
const SLOW_CLIENT_TIMEOUT_MS = 2_000;
const MAX_LIVE_STREAMS = 2;
const S16_16K = { encoding: 'SOUND_ENCODING_PCM_S16LE', sampleRateHz: 16_000, channelCount: 1 };
/** Bytes of 100 ms of S16_16K. */
const TENTH = 3_200;

let folder: TestFolder;
let mesh: MeshProcess;
let url: string;
let face: string;
/** Two seconds of speech, then one of silence, as S16_16K. */
let speech: Uint8Array;
let voicePath: string;
const opened: LiveSocket[] = [];

beforeAll(async () => {
  folder = await createFolder();
  voicePath = await makeVoice(folder.path, 2);
  const spoken = await samplesOf(voicePath, 's16le');
  speech = new Uint8Array(spoken.length + 10 * TENTH);
  speech.set(spoken);
  mesh = await startMesh([], {
    TALKMESH_DATA_FOLDER: join(folder.path, 'data'),
    TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
    TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
    TALKMESH_MAX_LIVE_STREAMS: String(MAX_LIVE_STREAMS),
    TALKMESH_SLOW_CLIENT_TIMEOUT: `${SLOW_CLIENT_TIMEOUT_MS}ms`,
  });
  url = `http://${mesh.addresses.http}`;
  face = await createHttpClient(url).upload(await makePhoto(folder.path, 512));
});
afterAll(async () => {
  await mesh?.kill('SIGTERM');
  await folder.remove();
});

afterEach(() => {
  for (const { socket } of opened.splice(0)) socket.terminate();
});

const header = (change: object = {}): object => ({ sourceAssetId: face, voiceFormat: S16_16K, ...change });
const activeStreams = async (): Promise<number> => (await scrape(url)).sum('talkmesh_active_streams');
const untilFree = (): Promise<void> =>
  until('every stage is free', async () => (await activeStreams()) === 0, 20_000);
const kinds = (items: readonly LiveItem[]): string[] => [...new Set(items.map(({ is }) => is))];

/** Connects; the socket does not outlive the test. */
async function talk(
  ...[change, options]: [change?: object, options?: LiveSocketOptions]
): Promise<LiveSocket> {
  const live = await openLive(url, header(change), options);
  opened.push(live);
  return live;
}

async function play(media: Uint8Array, name: string): Promise<VideoFacts & { readonly path: string }> {
  const path = join(folder.path, name);
  await writeFile(path, media);
  return { ...(await videoFacts(path)), path };
}

/** One frame for each 40 ms, and sound that is as long as the pictures. */
function expectWhole(facts: VideoFacts, frameCount: number): void {
  expect(facts.frameTimesS).toEqual(Array.from({ length: frameCount }, (_, i) => expect.closeTo(i / 25, 3)));
  expect(facts.soundEndS).toBeGreaterThan(frameCount / 25 - HALF_A_FRAME_S);
  expect(facts.soundEndS).toBeLessThan(frameCount / 25 + AAC_FRAME_S);
}

async function expectInSync(path: string, voice: string): Promise<void> {
  for (const lag of await soundLagsS(path, voice)) expect(Math.abs(lag)).toBeLessThan(HALF_A_FRAME_S);
}

describe('WS /v1/live', () => {
  it('shows speech while it is still spoken, in sync, and tells when it starts and ends', async () => {
    const live = await talk();
    live.send(speech.subarray(0, 15 * TENTH));
    await until('frames come', () => live.items.filter(({ is }) => is === 'fragment').length >= 3);
    expect(live.items[0]).toMatchObject({ is: 'started', width: 512, height: 512 });
    expect(live.items.some(({ is }) => is === 'summary')).toBe(false);
    const early = await play(live.media(), 'early.mp4');
    expect(early.frameTimesS.length).toBeGreaterThan(0);
    expect(early.frameTimesS.length).toBeLessThan(1.5 * 25);

    // The rest in pieces of any length of whole samples.
    for (let at = 15 * TENTH; at < speech.length; at += 1_234) live.send(speech.subarray(at, at + 1_234));
    live.command({ end: true });
    expect(await live.closed).toEqual({ code: 1000, reason: '' });
    expect(kinds(live.items)[0]).toBe('started');
    expect(live.items.at(-1)).toMatchObject({
      is: 'summary',
      frameCount: '75',
      provenance: { bundle: 'tiny', sourceSha256: face.slice(7), voiceSha256: '' },
    });
    const facts = await play(live.media(), 'live.mp4');
    expect(facts).toMatchObject({ video: { codec_name: 'h264' }, audio: { codec_name: 'aac' } });
    expectWhole(facts, 75);
    await expectInSync(facts.path, voicePath);
    const events = live.items.flatMap((item) => (item.is === 'event' ? [item] : []));
    const edges = events.map(({ kind }) => kind.replace('LIVE_EVENT_KIND_SPEECH_', ''));
    expect(edges).toEqual(edges.map((_, i) => (i % 2 === 0 ? 'STARTED' : 'FINISHED')));
    expect(edges.length).toBeGreaterThanOrEqual(2);
    const ended = Number(events.at(-1)!.frameIndex);
    expect(ended, 'speech ends at 2 s').toBeGreaterThan(45);
    expect(ended).toBeLessThan(75);
    await untilFree();
    expect((await scrape(url)).sum('talkmesh_live_first_fragment_seconds_count')).toBe(1);
  });

  it.each([
    ['s16le', 8_000, 1],
    ['f32le', 16_000, 1],
    ['s16le', 48_000, 2],
    ['f32le', 48_000, 1],
  ] as const)('takes %s at %d Hz in %d channels', async (encoding, sampleRateHz, channelCount) => {
    const spoken = await makeVoice(folder.path, 1);
    const layout = ['-ar', String(sampleRateHz), '-ac', String(channelCount)];
    const voice = await samplesOf(spoken, encoding, ...layout);
    const name = `SOUND_ENCODING_PCM_${encoding.toUpperCase()}`;
    const live = await talk({ voiceFormat: { encoding: name, sampleRateHz, channelCount } });
    live.send(voice);
    live.command({ end: true });
    expect(await live.closed).toEqual({ code: 1000, reason: '' });
    const facts = await play(live.media(), `${encoding}-${sampleRateHz}.mp4`);
    expect(facts.audio).toMatchObject({ sample_rate: '48000', channels: channelCount });
    expectWhole(facts, 25);
    await expectInSync(facts.path, spoken);
  });

  it('drops what was not spoken yet on clear', async () => {
    const live = await talk();
    const wanted = 20 * 25;
    for (let sent = 0; sent < 200; sent++) live.send(speech.subarray(0, TENTH));
    await until('it speaks', () => live.items.some(({ is }) => is === 'fragment'));
    live.command({ clear: true });
    await until('it is cleared', () =>
      live.items.some((item) => item.is === 'event' && item.kind === 'LIVE_EVENT_KIND_CLEARED'),
    );
    live.command({ end: true });
    expect((await live.closed).code).toBe(1000);
    const summary = live.items.at(-1)!;
    const frameCount = summary.is === 'summary' ? Number(summary.frameCount) : Number.NaN;
    expect(frameCount).toBeGreaterThan(0);
    expect(frameCount).toBeLessThan(wanted / 2);
    expectWhole(await play(live.media(), 'cleared.mp4'), frameCount);
  });

  it('rests through silence: no speech is announced', async () => {
    const live = await talk();
    live.send(new Uint8Array(10 * TENTH));
    live.command({ end: true });
    expect((await live.closed).code).toBe(1000);
    expect(kinds(live.items)).toEqual(['started', 'fragment', 'summary']);
    expectWhole(await play(live.media(), 'silence.mp4'), 25);
  });

  const refusals: [string, object, string][] = [
    ['an unknown face', { sourceAssetId: `sha256:${'0'.repeat(64)}` }, 'ASSET_MISSING'],
    ['a path for a face', { sourceAssetId: '/etc/passwd' }, 'ASSET_ID_INVALID'],
    ['no face', { sourceAssetId: '' }, 'ASSET_REQUIRED'],
    ['no voice format', { voiceFormat: undefined }, 'VOICE_FORMAT_UNSUPPORTED'],
    [
      'compressed speech',
      { voiceFormat: { encoding: 'SOUND_ENCODING_CONTAINER' } },
      'VOICE_FORMAT_UNSUPPORTED',
    ],
    ['speech at 1 Hz', { voiceFormat: { ...S16_16K, sampleRateHz: 1 } }, 'SOUND_RATE_UNSUPPORTED'],
    [
      'speech in 99 channels',
      { voiceFormat: { ...S16_16K, channelCount: 99 } },
      'SOUND_CHANNELS_UNSUPPORTED',
    ],
    ['WebM', { output: { container: 'CONTAINER_WEBM' } }, 'CONTAINER_UNSUPPORTED'],
    ['an unknown bundle', { face: { bundle: 'nobody' } }, 'BUNDLE_UNKNOWN'],
    ['10,000 steps', { face: { inferenceStepCount: 10_000 } }, 'STEPS_OUT_OF_RANGE'],
    ['an unknown field', { colour: 'red' }, 'BODY_INVALID'],
  ];
  it.each(refusals)('refuses %s, and closes with the reason', async (_, change, reason) => {
    const live = await talk(change);
    live.send(speech.subarray(0, TENTH));
    expect(await live.closed).toEqual({ code: 1008, reason });
    expect(live.items).toMatchObject([{ is: 'problem', problem: { reason } }]);
  });

  it('refuses what is no header, no JSON, no speech, or cut inside a sample', async () => {
    const reasonOf = async (send: (live: LiveSocket) => void) => {
      const live = await talk();
      send(live);
      return (await live.closed).reason;
    };
    expect(await reasonOf((live) => live.socket.send('{'))).toBe('MESSAGE_NOT_JSON');
    expect(await reasonOf((live) => live.command({ sing: true }))).toBe('BODY_INVALID');
    expect(await reasonOf((live) => live.command({ end: true }))).toBe('SOUND_EMPTY');
    const cut = await reasonOf((live) => {
      live.send(speech.subarray(0, 5 * TENTH + 1));
      live.command({ end: true });
    });
    expect(cut).toBe('MEDIA_TRUNCATED');
    const headless = await openLive(url, [] as object);
    expect((await headless.closed).reason).toBe('BODY_INVALID');
    await untilFree();
  });

  it('closes on a message over the limit, and frees everything', async () => {
    const live = await talk();
    live.send(new Uint8Array(4 * 1024 * 1024 + 1));
    expect((await live.closed).code).toBe(1009);
    await untilFree();
  });

  it('holds no more streams than it may: LIVE_STREAMS_EXHAUSTED, and one that ends makes room', async () => {
    const open = await Promise.all(Array.from({ length: MAX_LIVE_STREAMS }, () => talk()));
    await until('all are served', async () => (await activeStreams()) >= 2 * MAX_LIVE_STREAMS);
    const refused = await talk();
    expect(await refused.closed).toEqual({ code: 1013, reason: 'LIVE_STREAMS_EXHAUSTED' });
    for (const live of open) live.socket.close();
    await untilFree();
    const next = await talk();
    next.send(speech.subarray(0, 10 * TENTH));
    await until('it is served', () => next.items.some(({ is }) => is === 'started'));
    next.socket.close();
    await untilFree();
  });
});

describe('a caller of WS /v1/live who is gone', () => {
  it('in the middle of a stream frees every stage', async () => {
    const live = await talk();
    for (let sent = 0; sent < 200; sent++) live.send(speech.subarray(0, TENTH));
    await until('it is served', () => live.items.some(({ is }) => is === 'fragment'));
    expect(await activeStreams()).toBeGreaterThan(0);
    live.socket.terminate();
    await untilFree();
  });

  it('without closing anything is noticed, as it answers no ping', async () => {
    const live = await talk({}, { autoPong: false });
    live.send(speech.subarray(0, 10 * TENTH));
    await until('it is served', () => live.items.some(({ is }) => is === 'started'));
    expect((await live.closed).code).toBe(1006);
    await untilFree();
  });

  it('but a caller who only thinks for long is not', async () => {
    const live = await talk();
    await sleep(2.5 * SLOW_CLIENT_TIMEOUT_MS);
    live.send(speech.subarray(0, 10 * TENTH));
    live.command({ end: true });
    expect((await live.closed).code).toBe(1000);
    await untilFree();
  });
});

describe('a caller who stops reading', () => {
  /** Noise that moves, encoded as well as possible, fills every buffer on the way soon. */
  const greedy = { output: { constantRateFactor: 1 } };
  let noise: string;

  beforeAll(async () => {
    const path = join(folder.path, 'noise.mp4');
    const source = 'color=gray:size=512x512:rate=25:duration=1,noise=alls=100:allf=t';
    await ffmpeg('-f', 'lavfi', '-i', source, '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '10', path);
    noise = await createHttpClient(url).upload(path);
  });

  it('of WS /v1/live is let go, and every stage is free although the socket is still open', async () => {
    const live = await talk({ ...greedy, sourceAssetId: noise });
    live.socket.pause();
    for (let sent = 0; sent < 300; sent++) live.send(speech.subarray(0, TENTH));
    await until('it is served', async () => (await activeStreams()) > 0);
    await untilFree();
    live.socket.resume();
    expect([1006, 1008]).toContain((await live.closed).code);
  });

  it('of RPC Live is let go, and learns why when it reads again: CLIENT_TOO_SLOW', async () => {
    const { client, close } = connect(RenderService, {
      address: mesh.addresses.grpc!,
      limits: { flowControlWindowBytes: 65_535 },
    });
    try {
      const stream = client.live(requests(noise, greedy, speechForever()))[Symbol.asyncIterator]();
      await stream.next();
      expect(await activeStreams()).toBeGreaterThan(0);
      await untilFree();
      const rest = async (): Promise<void> => {
        while (!(await stream.next()).done);
      };
      await expect(rest()).rejects.toMatchObject({ reason: 'CLIENT_TOO_SLOW' });
    } finally {
      close();
    }
  });
});

describe('RPC Live', () => {
  it('gives the frames of the WebSocket, each fragment with its frames, and frees all when cancelled', async () => {
    const { client, close } = connect(RenderService, { address: mesh.addresses.grpc! });
    try {
      const pieces: Uint8Array[] = [];
      let shown = 0;
      let last: string | undefined;
      for await (const { output } of client.live(requests(face, {}, [speech]))) {
        const { case: is, value } = output!.output;
        if (last === undefined) expect(is).toBe('started');
        if (is === 'fragment') {
          pieces.push(value.data);
          expect(Number(value.firstFrameIndex)).toBe(value.frameCount === 0 ? -1 : shown);
          shown += value.frameCount;
        }
        last = is;
      }
      expect(last).toBe('summary');
      expect(shown).toBe(75);
      expectWhole(await play(Buffer.concat(pieces), 'grpc.mp4'), 75);

      for await (const _ of client.live(requests(face, {}, speechForever()))) break;
      await untilFree();
    } finally {
      close();
    }
  });
});

async function* requests(
  sourceAssetId: string,
  more: object,
  voice: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
) {
  const voiceFormat = { encoding: SoundEncoding.PCM_S16LE, sampleRateHz: 16_000, channelCount: 1 };
  yield { part: { case: 'header', value: { sourceAssetId, voiceFormat, ...more } } } as const;
  for await (const value of voice) {
    yield { part: { case: 'input', value: { input: { case: 'voice', value } } } } as const;
  }
}

function* speechForever(): Generator<Uint8Array> {
  for (;;) yield speech;
}
