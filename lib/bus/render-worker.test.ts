import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RenderEvent, RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import type { WrittenChunks } from './object-info.ts';
import { createObjectStore } from './object-store.ts';
import type { RenderHandler, RenderTask } from './render-attempt.ts';
import { newRenderId } from './render-id.ts';
import { type RenderWorkerConfig, runRenderWorker } from './render-worker.ts';
import {
  collect,
  createStores,
  faultOf,
  type RenderStores,
  renderRequest,
  startTestBus,
  startTestServer,
  type TestBus,
  until,
} from './test-bus.ts';
import { ensureTopology, RESULTS_BUCKET } from './topology.ts';

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = RenderState;
const MADE = { mediaType: 'video/mp4', sizeBytes: 7n };
const QUICK = { heartbeatMs: 200, drainMs: 50, retryBackoff: { baseMs: 10, maxMs: 40 } };

let test: TestBus;
let stores: RenderStores;
let stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  test = await startTestBus({ renders: { ackWaitMs: 1_000 } });
  stores = createStores(test.bus);
});
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
  expect(await stores.queue.depth()).toEqual({ waitingCount: 0, heldCount: 0, oldestWaitingMs: 0 });
});
afterAll(() => test.close());

interface RunningWorker {
  readonly faults: Fault[];
  stop(): Promise<void>;
}

function startWorker(
  handler: RenderHandler,
  config: Partial<RenderWorkerConfig> = {},
  on = stores,
): RunningWorker {
  const faults: Fault[] = [];
  const stopping = new AbortController();
  const deps = { ...on, handler, onError: (fault: Fault) => void faults.push(fault) };
  const working = runRenderWorker({ concurrency: 2, ...QUICK, ...config }, deps, stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await working;
  };
  stops.push(stop);
  return { faults, stop };
}

async function submit(): Promise<string> {
  return (await stores.renders.submit('acme', renderRequest())).render.id;
}
const ended = (id: string): Promise<RenderEvent[]> =>
  collect(stores.renders.watch('acme', id, 0, AbortSignal.timeout(50_000)));
const get = (id: string) => stores.renders.get('acme', id);
const aborted = async (task: RenderTask) => {
  await sleep(30_000, task.signal);
  return MADE;
};

describe('runRenderWorker', () => {
  it('makes a render, with the trace of its request, and tells how it goes', async () => {
    const headers: (string | undefined)[] = [];
    startWorker(async (task) => {
      headers.push(task.headers.get('traceparent'));
      expect(task).toMatchObject({ tenant: 'acme', attempt: 1, render: { sourceAssetId: 'sha256:face' } });
      for (let frameCount = 1; frameCount <= 3; frameCount++) {
        task.report({ frameCount, expectedFrameCount: 3 });
        await until(async () => (await get(task.renderId)).frameCount === BigInt(frameCount));
      }
      return MADE;
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { render } = await stores.renders.submit('acme', renderRequest(), { traceparent });
    const events = await ended(render.id);
    expect(headers).toEqual([traceparent]);
    const states = new Set(events.map((event) => event.render?.state));
    expect([...states]).toEqual([QUEUED, RUNNING, SUCCEEDED]);
    const frames = new Set(events.map((event) => Number(event.render?.frameCount)));
    expect([...frames]).toEqual([0, 1, 2, 3]);
    expect(await get(render.id)).toMatchObject({
      state: SUCCEEDED,
      attemptCount: 1,
      frameCount: 3n,
      expectedFrameCount: 3n,
      result: { mediaType: 'video/mp4', sizeBytes: 7n },
    });
  });

  it('makes no more at once than it may, and each render once', async () => {
    let now = 0;
    let most = 0;
    const made: string[] = [];
    const handler: RenderHandler = async (task) => {
      most = Math.max(most, ++now);
      await sleep(20);
      now -= 1;
      made.push(task.renderId);
      return MADE;
    };
    startWorker(handler, { concurrency: 3 });
    const ids = await Promise.all(Array.from({ length: 20 }, submit));
    await Promise.all(ids.map(ended));
    expect(most).toBe(3);
    expect(made.sort()).toEqual(ids.sort());
  });

  it('fails a render with the fault of its handler, and the trace', async () => {
    startWorker(() => {
      throw new Fault('invalid', 'NO_FACE_FOUND', 'source: shows no face', {
        violations: [{ field: 'source_asset_id', description: 'shows no face' }],
      });
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { render } = await stores.renders.submit('acme', renderRequest(), { traceparent });
    await ended(render.id);
    expect(await get(render.id)).toMatchObject({
      state: FAILED,
      attemptCount: 1,
      error: {
        reason: 'NO_FACE_FOUND',
        message: 'source: shows no face',
        field: 'source_asset_id',
        traceId: '0af7651916cd43dd8448eb211c80319c',
      },
    });
  });

  it('tells nobody what an unknown error says', async () => {
    startWorker(() => Promise.reject(new Error('/home/somebody/face.mp4')));
    const id = await submit();
    await ended(id);
    const { error } = await get(id);
    expect(error?.reason).toBe('UNEXPECTED');
    expect(error?.message).not.toContain('somebody');
  });

  it('tries again what may pass, and gives up when it does not', async () => {
    const attempts: number[] = [];
    startWorker(async (task) => {
      attempts.push(task.attempt);
      throw new Fault('unavailable', 'DENOISER_LOST', 'the denoiser went away');
    });
    const id = await submit();
    await ended(id);
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    const render = await get(id);
    expect(render).toMatchObject({
      state: FAILED,
      attemptCount: 5,
      error: { reason: 'RENDER_DELIVERIES_EXHAUSTED' },
    });
    expect(render.error?.message).toContain('DENOISER_LOST');
  });

  it('keeps a render in the queue for as long as everything is busy, without counting it', async () => {
    let free = false;
    let refusals = 0;
    const handler: RenderHandler = async () => {
      if (free) return MADE;
      refusals += 1;
      throw new Fault('saturated', 'NO_DENOISER_FREE', 'all denoisers are busy');
    };
    startWorker(handler, { maxAttempts: 2, saturatedBackoff: { baseMs: 10, maxMs: 20 } });
    const id = await submit();
    await until(() => refusals > 6);
    expect([QUEUED, RUNNING]).toContain((await get(id)).state);
    free = true;
    await ended(id);
    expect((await get(id)).state).toBe(SUCCEEDED);
  });

  it('cancels what is being made, soon', async () => {
    const reasons: unknown[] = [];
    const { faults } = startWorker(
      async (task) => {
        task.signal.addEventListener('abort', () => reasons.push(task.signal.reason));
        return await aborted(task);
      },
      { heartbeatMs: 60_000 },
    );
    const id = await submit();
    await until(async () => (await get(id)).state === RUNNING);
    const begun = performance.now();
    expect((await stores.renders.cancel('acme', id)).state).toBe(CANCELLED);
    await until(() => reasons.length > 0);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(reasons).toEqual([expect.objectContaining({ kind: 'cancelled', reason: 'RENDER_CANCELLED' })]);
    expect((await ended(id)).at(-1)?.render?.state).toBe(CANCELLED);
    expect(faults).toEqual([]);
  });

  it('notices a cancellation even when nobody tells it', async () => {
    startWorker(aborted);
    const id = await submit();
    await until(async () => (await get(id)).state === RUNNING);
    await stores.records.update('acme', id, (record) => ({
      ...record,
      render: { ...record.render, state: CANCELLED },
    }));
    expect((await ended(id)).at(-1)?.render?.state).toBe(CANCELLED);
  });

  it('leaves a render that ends while it is cancelled in exactly one end state', async () => {
    startWorker(
      async () => {
        await sleep(Math.random() * 12);
        return MADE;
      },
      { concurrency: 8 },
    );
    async function race(longestMs: number): Promise<RenderState> {
      const id = await submit();
      await sleep(Math.random() * longestMs);
      const answer = await stores.renders.cancel('acme', id);
      const last = (await ended(id)).at(-1)?.render;
      expect([SUCCEEDED, CANCELLED]).toContain(answer.state);
      expect(last?.state).toBe(answer.state);
      expect((await get(id)).state).toBe(answer.state);
      return answer.state;
    }
    const seen = new Set<RenderState>();
    // Until both ways to end were met.
    for (let round = 0; round < 8 && seen.size < 2; round++) {
      const races = Array.from({ length: 20 }, () => race(30 * 2 ** round));
      for (const state of await Promise.all(races)) seen.add(state);
    }
    expect(seen).toEqual(new Set([SUCCEEDED, CANCELLED]));
  });

  it('never begins a render that was cancelled while it waited, and takes it out of the queue', async () => {
    const id = await submit();
    const kept = await submit();
    await stores.renders.cancel('acme', id);
    expect((await stores.queue.depth()).waitingCount).toBe(1);
    const made: string[] = [];
    startWorker(async (task) => {
      made.push(task.renderId);
      return MADE;
    });
    await ended(kept);
    expect(made).toEqual([kept]);
    expect((await faultOf(stores.renders.cancel('other', id))).reason).toBe('RENDER_NOT_FOUND');
  });

  it('puts back what it has no time to finish, uncounted, and another worker goes on at once', async () => {
    const first = startWorker(aborted);
    const id = await submit();
    await until(async () => (await get(id)).state === RUNNING);
    await first.stop();
    expect((await get(id)).state).toBe(QUEUED);
    expect((await stores.records.get('acme', id)).chargedCount).toBe(0);
    startWorker(async () => MADE);
    const begun = performance.now();
    await ended(id);
    expect(performance.now() - begun).toBeLessThan(900);
    expect(await get(id)).toMatchObject({ state: SUCCEEDED, attemptCount: 2 });
  });

  it('finishes what it can within the drain time', async () => {
    const worker = startWorker(
      async () => {
        await sleep(200);
        return MADE;
      },
      { drainMs: 5_000 },
    );
    const id = await submit();
    await until(async () => (await get(id)).state === RUNNING);
    const begun = performance.now();
    await worker.stop();
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect((await get(id)).state).toBe(SUCCEEDED);
  });

  it('removes what is no render, and a render that was never recorded', async () => {
    const { faults } = startWorker(async () => MADE);
    await test.bus.jetstream.publish('talkmesh.renders.acme.poison', 'x');
    await until(() => faults.length === 1);
    expect(faults[0]).toMatchObject({ reason: 'MESSAGE_MALFORMED' });
    const orphan = newRenderId();
    await stores.queue.enqueue('acme', orphan);
    await until(async () => (await stores.queue.depth()).heldCount === 1);
    const id = await submit();
    await ended(id);
    await stores.queue.remove('acme', orphan);
    await until(async () => (await stores.queue.depth()).heldCount === 0);
  });

  it('rests when everything is busy, instead of asking for all that waits', async () => {
    let refusals = 0;
    let free = false;
    const handler: RenderHandler = async () => {
      if (free) return MADE;
      refusals += 1;
      throw new Fault('saturated', 'NO_DENOISER_FREE', 'all denoisers are busy', { retryAfterMs: 200 });
    };
    startWorker(handler, { concurrency: 1 });
    const ids = await Promise.all(Array.from({ length: 10 }, submit));
    await sleep(1_000);
    expect(refusals).toBeGreaterThan(1);
    expect(refusals).toBeLessThan(8);
    free = true;
    for (const id of ids) expect((await ended(id)).at(-1)?.render?.state).toBe(SUCCEEDED);
  });

  it('fails a render that waited too long', async () => {
    const id = await submit();
    await sleep(30);
    startWorker(async () => MADE, { maxWaitMs: 20 });
    await ended(id);
    expect(await get(id)).toMatchObject({
      state: FAILED,
      attemptCount: 0,
      error: { reason: 'RENDER_QUEUE_TIMEOUT' },
    });
  });
});

describe('a worker that was taken for dead', () => {
  it('is told, and what it makes is not taken', async () => {
    const stalled = createStores(await test.connect());
    const reasons: unknown[] = [];
    const hold = new AbortController();
    // Its heartbeats are so rare that the server gives the render to another.
    startWorker(
      async (task) => {
        task.signal.addEventListener('abort', () => reasons.push(task.signal.reason));
        await new Promise((resolve) => hold.signal.addEventListener('abort', resolve));
        task.report({ frameCount: 99, expectedFrameCount: 99 });
        await sleep(200);
        return { mediaType: 'video/stale' };
      },
      { heartbeatMs: 60_000, concurrency: 1 },
      stalled,
    );
    const id = await submit();
    await until(async () => (await get(id)).attemptCount === 1);
    const finish = new AbortController();
    startWorker(async () => {
      await new Promise((resolve) => finish.signal.addEventListener('abort', resolve));
      return MADE;
    });
    await until(async () => (await get(id)).attemptCount === 2);
    hold.abort();
    await until(() => reasons.length > 0);
    expect(reasons).toEqual([expect.objectContaining({ kind: 'superseded', reason: 'RENDER_SUPERSEDED' })]);
    await sleep(300);
    expect(await get(id)).toMatchObject({ state: RUNNING, attemptCount: 2, frameCount: 0n });
    finish.abort();
    await ended(id);
    expect(await get(id)).toMatchObject({
      state: SUCCEEDED,
      attemptCount: 2,
      result: { mediaType: 'video/mp4' },
    });
  });
});

describe('a full store', () => {
  it('holds a worker up, and what it made is recorded when there is room again', async () => {
    const small = await startTestServer({ maxStoreBytes: 2 << 20 });
    await ensureTopology(small.bus);
    const own = createStores(small.bus);
    const objects = createObjectStore(small.bus, RESULTS_BUCKET);
    const { render } = await own.renders.submit('acme', renderRequest());
    const ballast: WrittenChunks[] = [];
    let made = 0;
    const handler: RenderHandler = async () => {
      made += 1;
      const oneChunk = async function* () {
        yield Buffer.alloc(100 << 10);
      };
      const fault = await faultOf(
        (async () => {
          for (;;) ballast.push(await objects.write(oneChunk()));
        })(),
      );
      expect(fault.reason).toBe('STORE_FULL');
      return MADE;
    };
    const { faults, stop } = startWorker(handler, {}, own);
    await until(() => faults.some(({ reason }) => reason === 'STORE_FULL'));
    expect((await own.renders.get('acme', render.id)).state).toBe(RUNNING);
    for (const chunks of ballast) await objects.discard(chunks);
    await until(async () => (await own.renders.get('acme', render.id)).state === SUCCEEDED);
    expect(made).toBe(1);
    await stop();
    await small.close();
  });
});
