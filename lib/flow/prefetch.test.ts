import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { collect, counted, turn } from './counted.ts';
import { prefetch } from './prefetch.ts';

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
