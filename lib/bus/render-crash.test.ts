/** What becomes of renders when workers and the server are killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RenderEvent, RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { sleep } from '#lib/flow/abortable.ts';
import type { RenderHandler } from './render-attempt.ts';
import { type RenderWorkerConfig, runRenderWorker } from './render-worker.ts';
import {
  collect,
  createStores,
  type RenderStores,
  renderRequest,
  startTestBus,
  type TestBus,
  until,
} from './test-bus.ts';

const { SUCCEEDED, FAILED } = RenderState;
const MADE = { mediaType: 'video/mp4', sizeBytes: 7n };

let test: TestBus;
let stores: RenderStores;
let stops: (() => Promise<void>)[] = [];
let processes: ChildProcess[] = [];

beforeAll(async () => {
  test = await startTestBus({ renders: { ackWaitMs: 1_000 } });
  stores = createStores(test.bus);
});
afterEach(async () => {
  for (const child of processes) child.kill('SIGKILL');
  for (const stop of stops) await stop();
  stops = [];
  processes = [];
});
afterAll(() => test.close());

function startWorker(handler: RenderHandler, config: Partial<RenderWorkerConfig> = {}): void {
  const stopping = new AbortController();
  const settings = { concurrency: 2, heartbeatMs: 200, drainMs: 50, ...config };
  const working = runRenderWorker(settings, { ...stores, handler }, stopping.signal);
  stops.push(async () => {
    stopping.abort();
    await working;
  });
}

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly lines: string[];
}

function startWorkerProcess(mode: 'make' | 'hang' | 'crash'): WorkerProcess {
  const { url, token } = test.server;
  const script = join(import.meta.dirname, 'test-worker.ts');
  const child = spawn(process.execPath, [script, url, token, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  processes.push(child);
  return { child, lines };
}

async function submit(): Promise<string> {
  return (await stores.renders.submit('acme', renderRequest())).render.id;
}
const ended = (id: string): Promise<RenderEvent[]> =>
  collect(stores.renders.watch('acme', id, 0, AbortSignal.timeout(50_000)));
const get = (id: string) => stores.renders.get('acme', id);

describe('a crash', { timeout: 60_000 }, () => {
  it('of a worker process in the middle: another makes the render, once', async () => {
    const first = startWorkerProcess('hang');
    await until(() => first.lines.includes('ready'));
    const id = await submit();
    await until(() => first.lines.includes(`begins ${id} 1`));
    first.child.kill('SIGKILL');
    const second = startWorkerProcess('make');
    await ended(id);
    expect(second.lines).toEqual(['ready', `begins ${id} 2`, `makes ${id} 2`]);
    expect(await get(id)).toMatchObject({ state: SUCCEEDED, attemptCount: 2, result: { sizeBytes: 2n } });
  });

  it('of every worker that begins it: the render fails and says so', async () => {
    const id = await submit();
    for (let attempt = 1; attempt <= 5; attempt++) {
      const doomed = startWorkerProcess('crash');
      await until(() => doomed.lines.includes(`begins ${id} ${attempt}`));
    }
    startWorker(async () => MADE);
    const events = await ended(id);
    expect(events.at(-1)?.render?.error?.reason).toBe('RENDER_DELIVERIES_EXHAUSTED');
    expect(await get(id)).toMatchObject({ state: FAILED, attemptCount: 5 });
  });

  it('of the server in the middle: the render goes on and is made once', async () => {
    const made: number[] = [];
    const release = new AbortController();
    startWorker(async (task) => {
      for (let frameCount = 1; !release.signal.aborted; frameCount++) {
        task.report({ frameCount, expectedFrameCount: 0 });
        await sleep(50, task.signal);
      }
      made.push(task.attempt);
      return MADE;
    });
    const id = await submit();
    const waiting = await submit();
    await until(async () => (await get(id)).frameCount > 2n);
    test.crashServer();
    await until(() => !test.bus.isConnected());
    await until(() => test.bus.isConnected());
    const { frameCount } = await get(id);
    await until(async () => (await get(id)).frameCount > frameCount);
    // Longer than ackWaitMs: heartbeats must have gone on.
    await sleep(1_500);
    release.abort();
    await Promise.all([ended(id), ended(waiting)]);
    expect(made).toEqual([1, 1]);
    expect(await get(id)).toMatchObject({ state: SUCCEEDED, attemptCount: 1 });
    expect(await get(waiting)).toMatchObject({ state: SUCCEEDED, attemptCount: 1 });
  });

  it('of the server at any moment of many renders: each is made, and its end is logged', async () => {
    startWorker(
      async () => {
        await sleep(Math.random() * 30);
        return MADE;
      },
      { concurrency: 4, maxAttempts: 20 },
    );
    const crashing = new AbortController();
    const crashes = (async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(150 + Math.random() * 200);
        if (crashing.signal.aborted) return;
        test.crashServer();
        await until(() => !test.bus.isConnected());
        await until(() => test.bus.isConnected());
      }
    })();
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) ids.push(await submit());
    await crashes;
    const all = await Promise.all(ids.map(ended));
    for (const events of all) {
      expect(events.at(-1)?.render?.state).toBe(SUCCEEDED);
      expect(events.filter((event) => event.render?.state === SUCCEEDED)).toHaveLength(1);
    }
    expect((await stores.queue.depth()).waitingCount).toBe(0);
  });
});
