import { describe, expect, it } from 'vitest';
import type { Lane, LaneRun } from './lane.ts';
import { createRunQueue } from './run-queue.ts';

/** A lane whose runs end when the test says so, and how they were named. */
function fakeLane(name: string, sent: string[]) {
  const ends: ((run: LaneRun) => void)[] = [];
  const lane: Lane = {
    start: () => Promise.reject(new Error('not needed')),
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
    run(key, batchSize) {
      sent.push(`${name} ${key} ${batchSize}`);
      return new Promise((resolve) => {
        ends.push(resolve);
      });
    },
  };
  return {
    lane,
    async end(elapsedMs: number): Promise<void> {
      ends.shift()?.({ startMs: 0, endMs: elapsedMs, buffers: [] });
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function setUp(laneCount: number) {
  const sent: string[] = [];
  const lanes = Array.from({ length: laneCount }, (_, at) => fakeLane('ab'[at]!, sent));
  let nowMs = 0;
  const queue = createRunQueue(
    lanes.map(({ lane }) => lane),
    () => nowMs,
  );
  const submit = (
    key: string,
    batchSize: number,
    signal?: AbortSignal,
    dropped: (buffers: readonly ArrayBuffer[]) => void = () => undefined,
  ) => queue.submit(key, batchSize, [], signal, dropped);
  return { sent, lanes, queue, submit, pass: (milliseconds: number) => (nowMs += milliseconds) };
}

describe('createRunQueue()', () => {
  it('sends each worker two runs at most, in the order in which they came', async () => {
    const { sent, lanes, submit } = setUp(1);
    for (const key of ['x', 'y', 'z']) void submit(key, 1);
    expect(sent).toEqual(['a x 1', 'a y 1']);
    await lanes[0]!.end(5);
    expect(sent).toEqual(['a x 1', 'a y 1', 'a z 1']);
  });

  it('gives a run to the worker that is expected to be free first, by what its graphs took before', async () => {
    const { sent, lanes, submit, pass } = setUp(2);
    void submit('long', 1);
    void submit('short', 1);
    pass(10);
    await lanes[1]!.end(10);
    pass(90);
    await lanes[0]!.end(100);
    void submit('short', 4);
    void submit('long', 1);
    // 40 ms are left on a and 100 on b; 15 ms later 25 and 85.
    pass(15);
    void submit('short', 1);
    expect(sent.slice(2)).toEqual(['a short 4', 'b long 1', 'a short 1']);
  });

  it('drops a waiting run when its signal aborts, and tells whose buffers are free', async () => {
    const { sent, lanes, submit } = setUp(1);
    void submit('x', 1);
    void submit('x', 1);
    const controller = new AbortController();
    let freed = 0;
    const dropped = submit('y', 1, controller.signal, () => {
      freed++;
    });
    controller.abort();
    await expect(dropped).rejects.toMatchObject({ kind: 'cancelled' });
    expect(freed).toBe(1);
    await lanes[0]!.end(1);
    await lanes[0]!.end(1);
    expect(sent).toEqual(['a x 1', 'a x 1']);
  });

  it('fails what waits when it is closed, and what comes after', async () => {
    const { lanes, queue, submit } = setUp(1);
    const runs = [submit('x', 1), submit('x', 1), submit('x', 1)];
    queue.close();
    await expect(runs[2]).rejects.toMatchObject({ kind: 'unavailable', reason: 'INFERENCE_CLOSED' });
    await expect(submit('x', 1)).rejects.toMatchObject({ reason: 'INFERENCE_CLOSED' });
    await lanes[0]!.end(3);
    await expect(runs[0]).resolves.toMatchObject({ endMs: 3 });
  });
});
