import { describe, expect, it, vi } from 'vitest';
import { raceAbort, sleep } from './abortable.ts';

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
