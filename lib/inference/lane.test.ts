import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLane, type Lane } from './lane.ts';
import type { GraphSpec } from './manifest.ts';
import type { GraphOpening } from './worker-protocol.ts';

const spec: GraphSpec = { file: 'a.onnx', sha256: '', opset: 17, precision: 'fp32', inputs: {}, outputs: {} };
const opening = (key: string): GraphOpening => ({
  key,
  bundle: 'tiny',
  path: '',
  spec,
  threadCount: 1,
  warmUp: false,
});

describe('a lane', () => {
  let lane: Lane;
  beforeEach(async () => {
    lane = createLane({ provider: 'cpu' }, new URL('./fixtures/crashing-worker.ts', import.meta.url));
    await lane.start();
    await lane.open(opening('graph'));
  });
  afterEach(() => lane.close());

  it('transfers buffers and gets them back', async () => {
    const buffer = Uint8Array.of(1, 2, 3).buffer;
    const run = lane.run('graph', 1, [buffer]);
    expect(buffer.byteLength).toBe(0);
    const { buffers } = await run;
    expect(new Uint8Array(buffers[0]!)).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('fails all that is pending when the worker crashes, and starts again with its graphs', async () => {
    await lane.open(opening('crash'));
    const lost = { kind: 'unavailable', reason: 'INFERENCE_WORKER_LOST' };
    const runs = [lane.run('crash', 1, []), lane.run('graph', 1, []), lane.run('graph', 1, [])];
    for (const run of await Promise.allSettled(runs))
      expect(run).toMatchObject({ status: 'rejected', reason: lost });
    await expect(lane.run('graph', 1, [])).resolves.toMatchObject({ startMs: 1, endMs: 2 });
  });

  it('fails what is pending when it is closed, and closes twice', async () => {
    const crash = lane.run('crash', 1, []);
    const closing = lane.close();
    await expect(crash).rejects.toMatchObject({ reason: 'INFERENCE_WORKER_LOST' });
    await closing;
    await lane.close();
  });
});
