import { describe, expect, it } from 'vitest';
import { collect, counted, turn } from './counted.ts';
import { zip } from './zip.ts';

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
