import { describe, expect, it } from 'vitest';
import { channel } from './channel.ts';
import { collect, turn } from './counted.ts';

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
