import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { float32Values } from '#lib/tensor/tensor.ts';
import {
  BATCH_STAGES,
  type Batcher,
  type BatcherConfig,
  type BatcherMember,
  type BatchStage,
  createBatcher,
} from './batcher.ts';
import { createFakeClock, type FakeClock } from './testing/fake-clock.ts';
import { createFakeGraph, type FakeCall } from './testing/fake-graph.ts';

const LEFT = new Fault('cancelled', 'CALLER_CANCELLED', 'the caller cancelled');

interface BegunCall extends FakeCall {
  readonly stage: BatchStage;
}

/** A batcher over fake graphs, and what it did. */
function setUp(config: Partial<BatcherConfig> = {}) {
  const clock = createFakeClock();
  /** Calls that have begun, in their order; those under way are at the end. */
  const calls: BegunCall[] = [];
  const graphs = Object.fromEntries(
    BATCH_STAGES.map((stage) => [stage, createFakeGraph((call) => calls.push({ ...call, stage }))]),
  ) as Record<BatchStage, ReturnType<typeof createFakeGraph>>;
  const batcher = createBatcher(
    { maxBatchSize: 4, maxWaitMs: 0, workerCount: 1, maxCallsAhead: 0, ...config },
    { graphs, clock },
  );
  const leased = () => BATCH_STAGES.reduce((sum, stage) => sum + graphs[stage].leased(), 0);
  return { clock, calls, batcher, leased };
}

function submit(member: BatcherMember, stage: BatchStage, value: number, dueMs = 0, done: number[] = []) {
  return member.submit(stage, {
    dueMs,
    fill: ({ x }) => void float32Values(x).fill(value),
    consume: ({ y }) => void done.push(float32Values(y)[0]!),
  });
}

describe('createBatcher()', () => {
  let clock: FakeClock;
  let calls: BegunCall[];
  let batcher: Batcher;
  let leased: () => number;
  beforeEach(() => {
    ({ clock, calls, batcher, leased } = setUp());
  });

  it('puts what waits of all streams into one call, and gives each its own row back', async () => {
    const done: number[] = [];
    const shares = [1, 2, 3].map((value) => submit(batcher.join(), 'denoise', value, 0, done));
    await clock.settle();
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2, 3]]);
    calls[0]!.finish();
    expect(await Promise.all(shares)).toEqual(Array(3).fill({ batchSize: 3, inferenceMs: 2 }));
    expect(done).toEqual([2, 4, 6]);
    expect(leased()).toBe(0);
  });

  it('keeps graphs apart and finishes first what is due first, the later stage at a tie', async () => {
    const member = batcher.join();
    void submit(member, 'encode', 1, 5);
    void submit(member, 'decode', 2, 5);
    void submit(member, 'condition', 3, 1);
    for (let call = 0; call < 3; call++) {
      await clock.settle();
      calls[call]!.finish();
    }
    expect(calls.map(({ stage }) => stage)).toEqual(['condition', 'decode', 'encode']);
  });

  it('fills a call with the rows that are due first, and no more than its size', async () => {
    const member = batcher.join();
    for (const [value, dueMs] of [
      [1, 50],
      [2, 10],
      [3, 40],
      [4, 20],
      [5, 30],
      [6, 10],
    ] as const) {
      void submit(member, 'denoise', value, dueMs);
    }
    await clock.settle();
    calls[0]!.finish();
    await clock.settle();
    expect(calls.map(({ rows }) => rows)).toEqual([
      [2, 6, 4, 5],
      [3, 1],
    ]);
  });

  it('lets a stream join between two steps of another', async () => {
    const [first, second] = [batcher.join(), batcher.join()];
    const steps = (async () => {
      for (let step = 0; step < 3; step++) await submit(first, 'denoise', step);
    })();
    await clock.settle();
    void submit(second, 'denoise', 9);
    for (let call = 0; call < 3; call++) {
      calls[call]!.finish();
      await clock.settle();
    }
    await steps;
    expect(calls.map(({ rows }) => rows)).toEqual([[0], [9, 1], [2]]);
  });

  it('drops what waits of a stream that leaves, and does not consume what is under way', async () => {
    const [leaver, stayer] = [batcher.join(), batcher.join()];
    const done: number[] = [];
    const begun = [submit(leaver, 'denoise', 1, 0, done), submit(stayer, 'denoise', 2, 0, done)];
    await clock.settle();
    const waiting = [submit(leaver, 'denoise', 3, 0, done), submit(stayer, 'denoise', 4, 0, done)];
    const outcomes = Promise.allSettled([...begun, ...waiting]);
    expect(batcher.pendingCount).toBe(2);
    leaver.leave(LEFT);
    expect(batcher.pendingCount).toBe(1);
    calls[0]!.finish();
    await clock.settle();
    calls[1]!.finish();
    const left = { status: 'rejected', reason: LEFT };
    const served = expect.objectContaining({ status: 'fulfilled' });
    expect(await outcomes).toEqual([left, served, left, served]);
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2], [4]]);
    expect(done).toEqual([4, 8]);
    await expect(submit(leaver, 'denoise', 5)).rejects.toBe(LEFT);
  });

  it('fails the rows of a call that fails, and goes on', async () => {
    const lost = new Fault('unavailable', 'INFERENCE_WORKER_LOST', 'the inference worker ended');
    const member = batcher.join();
    const failed = Promise.allSettled([submit(member, 'decode', 1), submit(batcher.join(), 'decode', 2)]);
    await clock.settle();
    const next = submit(member, 'decode', 3);
    calls[0]!.fail(lost);
    expect(await failed).toEqual(Array(2).fill({ status: 'rejected', reason: lost }));
    await clock.settle();
    calls[1]!.finish();
    await expect(next).resolves.toEqual({ batchSize: 1, inferenceMs: 6 });
    expect(leased()).toBe(0);
  });

  it('fails only the row that cannot be consumed', async () => {
    const member = batcher.join();
    const broken = member.submit('decode', {
      dueMs: 0,
      fill: () => undefined,
      consume: () => {
        throw new Fault('internal', 'NON_FINITE_LATENTS', 'not finite');
      },
    });
    const whole = submit(member, 'decode', 2);
    await clock.settle();
    calls[0]!.finish();
    await expect(broken).rejects.toMatchObject({ reason: 'NON_FINITE_LATENTS' });
    await expect(whole).resolves.toMatchObject({ batchSize: 2 });
    expect(leased()).toBe(0);
  });

  it('has as many calls under way as it may', async () => {
    ({ clock, calls, batcher } = setUp({ workerCount: 1, maxCallsAhead: 1, maxBatchSize: 1 }));
    for (const value of [1, 2, 3]) void submit(batcher.join(), 'denoise', value);
    await clock.settle();
    expect(calls).toHaveLength(2);
    calls[0]!.finish();
    await clock.settle();
    expect(calls).toHaveLength(3);
  });

  it('shares what waits out among idle workers', async () => {
    ({ clock, calls, batcher } = setUp({ workerCount: 3, maxCallsAhead: 1 }));
    for (const value of [1, 2, 3, 4, 5, 6, 7]) void submit(batcher.join(), 'denoise', value);
    await clock.settle();
    expect(calls.map(({ rows }) => rows)).toEqual([
      [1, 2, 3],
      [4, 5],
      [6, 7],
    ]);
    for (const value of [8, 9]) void submit(batcher.join(), 'denoise', value);
    await clock.settle();
    expect(calls[3]!.rows).toEqual([8, 9]);
  });

  it('waits for company as long as it may, and not when the call is full', async () => {
    ({ clock, calls, batcher } = setUp({ maxWaitMs: 10, maxBatchSize: 3 }));
    void submit(batcher.join(), 'denoise', 1);
    clock.advance(6);
    void submit(batcher.join(), 'denoise', 2);
    await clock.settle();
    clock.advance(3);
    await clock.settle();
    expect(calls).toHaveLength(0);
    clock.advance(1);
    await clock.settle();
    expect(calls.map(({ rows }) => rows)).toEqual([[1, 2]]);
    calls[0]!.finish();
    for (const value of [3, 4, 5]) void submit(batcher.join(), 'denoise', value);
    await clock.settle();
    expect(calls[1]!.rows).toEqual([3, 4, 5]);
  });

  it('reaches a bulk row while live rows keep coming', async () => {
    ({ clock, calls, batcher } = setUp({ maxBatchSize: 2 }));
    const BULK = -1;
    const patienceMs = 100;
    void submit(batcher.join(), 'denoise', BULK, clock.now() + patienceMs);
    const live = batcher.join();
    let round = 0;
    // Overload: in each round three live rows come, due 50 ms later, and two are served.
    while (!calls.some(({ rows }) => rows.includes(BULK))) {
      expect(++round).toBeLessThan(100);
      for (const value of [1, 2, 3]) void submit(live, 'denoise', value, clock.now() + 50);
      await clock.settle();
      clock.advance(10);
      calls.at(-1)!.finish();
    }
    await clock.settle();
    // Live rows that came up to 50 ms before the bulk row is due may go first: 5 rounds of 3 at 2 a round.
    expect(clock.now()).toBeGreaterThanOrEqual(50);
    expect(clock.now()).toBeLessThanOrEqual(100);
  });

  it('loses, doubles and reorders nothing, and forgets who left, whatever happens', async () => {
    const event = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('submit' as const),
          member: fc.nat(3),
          stage: fc.constantFrom(...BATCH_STAGES),
          lead: fc.nat(40),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), which: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), member: fc.nat(3) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('advance' as const), milliseconds: fc.nat(20) }),
      },
    );
    const settings = fc.record({
      maxBatchSize: fc.integer({ min: 1, max: 4 }),
      maxWaitMs: fc.constantFrom(0, 15),
      workerCount: fc.integer({ min: 1, max: 2 }),
      maxCallsAhead: fc.nat(1),
    });
    await fc.assert(
      fc.asyncProperty(settings, fc.array(event, { maxLength: 60 }), async (config, events) => {
        const bench = setUp(config);
        const members = Array.from({ length: 4 }, () => bench.batcher.join());
        const gone = new Set<number>();
        const outcomes = new Map<number, 'consumed' | 'failed'>();
        const submitted: { id: number; member: number; stage: BatchStage; dueMs: number }[] = [];
        const latestDue = new Map<string, number>();
        const consumed: { id: number; value: number }[] = [];
        const underWay: BegunCall[] = [];
        let seen = 0;
        const step = async (): Promise<void> => {
          await bench.clock.settle();
          for (const call of bench.calls.slice(seen)) {
            expect(call.rows.length).toBeLessThanOrEqual(config.maxBatchSize);
            for (const id of call.rows) expect(gone.has(submitted[id]!.member)).toBe(false);
            underWay.push(call);
          }
          seen = bench.calls.length;
          expect(underWay.length).toBeLessThanOrEqual(config.workerCount + config.maxCallsAhead);
        };
        const add = (member: number, stage: BatchStage, lead: number): void => {
          const id = submitted.length;
          // Due times of one stream ascend, as frames do.
          const key = `${member} ${stage}`;
          const dueMs = Math.max(latestDue.get(key) ?? 0, bench.clock.now() + lead);
          latestDue.set(key, dueMs);
          submitted.push({ id, member, stage, dueMs });
          const settle = (outcome: 'consumed' | 'failed') => {
            expect(outcomes.has(id)).toBe(false);
            outcomes.set(id, outcome);
          };
          members[member]!.submit(stage, {
            dueMs,
            fill: ({ x }) => void float32Values(x).fill(id),
            consume: ({ y }) => void consumed.push({ id, value: float32Values(y)[0]! }),
          }).then(
            () => settle('consumed'),
            () => settle('failed'),
          );
        };
        for (const event of events) {
          if (event.kind === 'submit') add(event.member, event.stage, event.lead);
          else if (event.kind === 'advance') bench.clock.advance(event.milliseconds);
          else if (event.kind === 'leave') {
            gone.add(event.member);
            members[event.member]!.leave(LEFT);
          } else {
            const [call] = underWay.splice(event.which % Math.max(1, underWay.length), 1);
            if (event.kind === 'finish') call?.finish();
            else call?.fail(new Error('broken'));
          }
          await step();
        }
        for (let round = 0; outcomes.size < submitted.length || underWay.length > 0; round++) {
          expect(round).toBeLessThan(submitted.length + 20);
          bench.clock.advance(20);
          await step();
          for (const call of underWay.splice(0)) call.finish();
          await step();
        }
        for (const { id, value } of consumed) expect(value).toBe(id * 2);
        const served = bench.calls.flatMap(({ rows }) => rows);
        expect(new Set(served).size).toBe(served.length);
        for (const member of [0, 1, 2, 3]) {
          for (const stage of BATCH_STAGES) {
            const own = served.filter(
              (id) => submitted[id]!.member === member && submitted[id]!.stage === stage,
            );
            expect(own).toEqual(own.toSorted((a, b) => a - b));
          }
        }
        expect(bench.batcher.pendingCount).toBe(0);
        expect(bench.leased()).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
