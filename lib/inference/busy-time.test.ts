import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBufferPool } from './buffer-pool.ts';
import { createBusyTime } from './busy-time.ts';

describe('createBusyTime()', () => {
  it('is the length of the union, however runs of several workers overlap', () => {
    const run = fc.record({ gap: fc.nat(5), length: fc.nat(9) });
    const lanes = fc.array(fc.array(run, { maxLength: 60 }), { maxLength: 4 });
    fc.assert(
      fc.property(lanes, (lists) => {
        const intervals = lists.flatMap((list) => {
          let now = 0;
          return list.map(({ gap, length }) => {
            const startMs = now + gap;
            now = startMs + length;
            return { startMs, endMs: now };
          });
        });
        const busy = createBusyTime();
        const covered = new Set<number>();
        for (const { startMs, endMs } of intervals.toSorted((a, b) => a.endMs - b.endMs)) {
          busy.add(startMs, endMs);
          for (let at = startMs; at < endMs; at++) covered.add(at);
        }
        expect(busy.totalMs()).toBe(covered.size);
      }),
    );
  });
});

describe('createBufferPool()', () => {
  it('gives buffers again, by size, and keeps no more than its limit', () => {
    const pool = createBufferPool(100);
    const small = pool.take(40);
    pool.give(small);
    expect(pool.take(41)).not.toBe(small);
    expect(pool.take(40)).toBe(small);
    const [a, b, c] = [pool.take(40), pool.take(40), pool.take(40)];
    for (const buffer of [a, b, c]) pool.give(buffer);
    expect([pool.take(40), pool.take(40)]).toEqual(expect.arrayContaining([a, b]));
    expect(pool.take(40)).not.toBe(c);
  });
});
