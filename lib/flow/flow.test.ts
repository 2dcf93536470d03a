import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { raceAbort, sleep } from './abortable.ts';
import { channel } from './channel.ts';
import { prefetch } from './prefetch.ts';
import { pump } from './pump.ts';
import { release } from './release.ts';
import { zip } from './zip.ts';

/** Counts what a stream has produced, and whether it was told to stop. */
function counted(count: number, options: { failAt?: number; stepMs?: number } = {}) {
  const state = { produced: 0, returned: 0 };
  async function* generate(): AsyncGenerator<number> {
    try {
      for (let index = 0; index < count; index++) {
        if (index === options.failAt) throw new Error(`item ${index}`);
        if (options.stepMs !== undefined) await delay(options.stepMs);
        state.produced++;
        yield index;
      }
    } finally {
      state.returned++;
    }
  }
  return { state, stream: generate() };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const turn = (): Promise<void> => delay(20);

describe('prefetch()', () => {
  it('yields every item in order, whatever the speeds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(30), fc.integer({ min: 1, max: 8 }), async (length, count) => {
        expect(await collect(prefetch(counted(length).stream, count))).toEqual([...Array(length).keys()]);
      }),
      { numRuns: 30 },
    );
  });

  it('pulls nothing before it is read, then so many ahead and no more', async () => {
    const { stream, state } = counted(100);
    const ahead = prefetch(stream, 4);
    await turn();
    expect(state.produced).toBe(0);
    await ahead.next();
    await turn();
    expect(state.produced).toBe(5);
    await ahead.next();
    await turn();
    expect(state.produced).toBe(6);
    await ahead.return?.();
  });

  it('throws the error after the items that came before it, once', async () => {
    const ahead = prefetch(counted(10, { failAt: 2 }).stream, 8);
    expect([(await ahead.next()).value, (await ahead.next()).value]).toEqual([0, 1]);
    await expect(ahead.next()).rejects.toThrow('item 2');
    expect(await ahead.next()).toEqual({ done: true, value: undefined });
  });

  it('stops the source when the consumer stops, at any moment', async () => {
    const unread = counted(10);
    await prefetch(unread.stream, 2).return?.();
    expect(unread.state.produced).toBe(0);

    const { stream, state } = counted(1000);
    for await (const item of prefetch(stream, 4)) if (item === 3) break;
    await turn();
    expect(state.returned).toBe(1);
    expect(state.produced).toBeLessThanOrEqual(9);
  });

  it('stops while it waits for the source', async () => {
    const returned = vi.fn(async () => ({ done: true as const, value: undefined }));
    const never: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined), return: returned }),
    };
    const ahead = prefetch(never, 2);
    const waiting = ahead.next();
    await ahead.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(returned).toHaveBeenCalledOnce();
  });

  it('answers overlapping reads in order', async () => {
    const ahead = prefetch(counted(3).stream, 2);
    const results = await Promise.all([ahead.next(), ahead.next(), ahead.next(), ahead.next()]);
    expect(results.map(({ value }) => value)).toEqual([0, 1, 2, undefined]);
  });

  it('refuses a count that is not an integer of at least 1', () => {
    for (const count of [0, -1, 1.5, Number.NaN])
      expect(() => prefetch(counted(1).stream, count)).toThrow(RangeError);
  });
});

describe('zip()', () => {
  it('pairs by position and ends with the shorter, stopping the other', async () => {
    const long = counted(10);
    const short = counted(3);
    expect(await collect(zip(long.stream, short.stream))).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    expect([long.state.returned, short.state.returned]).toEqual([1, 1]);
    expect(long.state.produced).toBe(4);
  });

  it('pulls both at once, and neither ahead', async () => {
    const slow = counted(10, { stepMs: 30 });
    const fast = counted(10);
    const pairs = zip(slow.stream, fast.stream);
    await pairs.next();
    await turn();
    expect([slow.state.produced, fast.state.produced]).toEqual([1, 1]);
    await pairs.return();
    await turn();
    expect([slow.state.returned, fast.state.returned]).toEqual([1, 1]);
  });

  it('fails with the first that fails and stops the other', async () => {
    const failing = counted(10, { failAt: 1 });
    const other = counted(10);
    await expect(collect(zip(other.stream, failing.stream))).rejects.toThrow('item 1');
    await turn();
    expect(other.state.returned).toBe(1);
  });
});

describe('channel()', () => {
  it('delivers in order and makes the producer wait while it is full', async () => {
    const queue = channel<number>(2);
    const accepted: number[] = [];
    const producing = (async () => {
      for (let item = 0; item < 5; item++) if (await queue.push(item)) accepted.push(item);
      queue.close();
    })();
    await turn();
    expect([accepted, queue.size]).toEqual([[0, 1], 2]);
    expect(await collect(queue)).toEqual([0, 1, 2, 3, 4]);
    await producing;
    expect(accepted).toEqual([0, 1, 2, 3, 4]);
  });

  it('wakes a consumer that waits', async () => {
    const queue = channel<string>(1);
    const waiting = queue[Symbol.asyncIterator]().next();
    expect(await queue.push('a')).toBe(true);
    expect(await waiting).toEqual({ done: false, value: 'a' });
  });

  it('delivers what is queued before the end or the error', async () => {
    const closed = channel<number>(3);
    await closed.push(1);
    closed.close();
    expect(await closed.push(2)).toBe(false);
    expect(await collect(closed)).toEqual([1]);

    const failed = channel<number>(3);
    await failed.push(1);
    failed.fail(new Error('lost'));
    failed.fail(new Error('later'));
    const iterator = failed[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe(1);
    await expect(iterator.next()).rejects.toThrow('lost');
    expect((await iterator.next()).done).toBe(true);
  });

  it('tells every producer when the consumer stops', async () => {
    const queue = channel<number>(1);
    await queue.push(0);
    const blocked = queue.push(1);
    for await (const _ of queue) break;
    expect(await blocked).toBe(true);
    expect(await queue.push(2)).toBe(false);
    expect(queue.size).toBe(0);
  });

  it('refuses a capacity that is not an integer of at least 1', () => {
    for (const capacity of [0, 0.5, Number.NaN]) expect(() => channel(capacity)).toThrow(RangeError);
  });
});

describe('pump()', () => {
  it('sends all, one at a time, producing the next meanwhile', async () => {
    const { stream, state } = counted(5);
    const gates: (() => void)[] = [];
    const sent: number[] = [];
    const outlet = {
      over: new AbortController().signal,
      send(item: number) {
        sent.push(item);
        return new Promise<void>((resolve) => gates.push(resolve));
      },
    };
    const running = pump(stream, outlet);
    await turn();
    expect([sent, state.produced]).toEqual([[0], 2]);
    gates[0]!();
    await turn();
    expect([sent, state.produced]).toEqual([[0, 1], 3]);
    for (let index = 1; index < 5; index++) {
      gates[index]!();
      await turn();
    }
    expect((await running).fault).toBeUndefined();
    expect(sent).toEqual([0, 1, 2, 3, 4]);
  });

  it('stops the iterator when the outlet is over or an item cannot be sent', async () => {
    const controller = new AbortController();
    const over = counted(1000, { stepMs: 1 });
    setTimeout(() => controller.abort(), 20);
    const ended = await pump(over.stream, { over: controller.signal, send: async () => undefined });
    expect(ended.fault).toBeUndefined();
    await ended.settled;
    expect(over.state.returned).toBe(1);

    const refused = counted(10);
    const tooLarge = new Fault('invalid', 'MESSAGE_TOO_LARGE', 'x');
    const failed = await pump(refused.stream, {
      over: new AbortController().signal,
      send: () => Promise.reject(tooLarge),
    });
    expect(failed.fault).toBe(tooLarge);
    await failed.settled;
    expect(refused.state.returned).toBe(1);
  });

  it('lets the event loop turn while neither side waits', async () => {
    const controller = new AbortController();
    const { stream } = counted(Number.POSITIVE_INFINITY);
    let sentCount = 0;
    const running = pump(stream, {
      over: controller.signal,
      async send() {
        sentCount++;
      },
    });
    await delay(5);
    controller.abort();
    await running;
    expect(sentCount).toBeGreaterThan(32);
  });
});

describe('raceAbort() and sleep()', () => {
  it('take the result, the error, or the fault of the signal, whichever is first', async () => {
    const { signal } = new AbortController();
    expect(await raceAbort(Promise.resolve(1), signal)).toBe(1);
    await expect(raceAbort(Promise.reject(new Error('x')), signal)).rejects.toThrow('x');
    const never = new Promise<never>(() => undefined);
    await expect(raceAbort(never, AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(raceAbort(never, AbortSignal.timeout(10))).rejects.toMatchObject({ kind: 'late' });
    await expect(sleep(60_000, AbortSignal.timeout(10))).rejects.toMatchObject({ kind: 'late' });
    await sleep(1);
  });

  it('leaves no listener behind', async () => {
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    await raceAbort(Promise.resolve(1), signal);
    await raceAbort(Promise.reject(new Error('x')), signal).catch(() => undefined);
    expect(add.mock.calls.length).toBe(2);
    expect(remove.mock.calls.length).toBe(2);
  });
});

describe('release()', () => {
  afterEach(() => vi.restoreAllMocks());

  function failing(error: unknown): AsyncIterator<number> {
    return {
      next: () => new Promise(() => undefined),
      return: () => Promise.reject(error),
    };
  }

  it('reports an error of the clean-up as a warning that names no text of it', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await release(failing(new RangeError('/srv/alice.mp4')), 'the test');
    expect(warn).toHaveBeenCalledWith('UNEXPECTED (RangeError) during the test', {
      code: 'TALKMESH_STRAY_ERROR',
    });
  });

  it('does not report an iterator that says it was cancelled', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await release(failing(new Fault('cancelled', 'CALLER_CANCELLED', 'x')), 'the test');
    expect(warn).not.toHaveBeenCalled();
  });
});
