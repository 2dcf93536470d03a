import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { closeAfterEach, start, to } from './contract/opened.ts';
import type { ProbeImpl } from './contract/probe.ts';
import { collect, faultOf } from './contract/subject.ts';

closeAfterEach();

describe('connect(): retrying', () => {
  function failing(
    times: number,
    fault: () => Fault,
  ): { readonly impl: Partial<ProbeImpl>; calls: () => number } {
    let calls = 0;
    return {
      calls: () => calls,
      impl: {
        async echo(request) {
          if (++calls <= times) throw fault();
          return { text: request.text };
        },
        // biome-ignore lint/correctness/useYield: it fails before its first item
        async *download() {
          calls++;
          throw fault();
        },
      },
    };
  }
  const unavailable = (): Fault => new Fault('unavailable', 'MODEL_LOADING', 'not yet');
  const retry = { maxAttempts: 3, baseDelayMs: 5, maxDelayMs: 50 };

  it('repeats an unavailable unary call up to its bound', async () => {
    const twice = failing(2, unavailable);
    const { client } = to((await start(twice.impl)).address, { retry });
    expect((await client.echo({ text: 'x' })).text).toBe('x');
    expect(twice.calls()).toBe(3);

    const always = failing(99, unavailable);
    const second = to((await start(always.impl)).address, { retry });
    expect(await faultOf(second.client.echo({}))).toMatchObject({ reason: 'MODEL_LOADING' });
    expect(always.calls()).toBe(3);
  });

  it('repeats nothing else, and no stream', async () => {
    const saturated = failing(99, () => new Fault('saturated', 'QUEUE_FULL', 'full', { retryAfterMs: 1 }));
    const one = to((await start(saturated.impl)).address, { retry });
    expect(await faultOf(one.client.echo({}))).toMatchObject({ reason: 'QUEUE_FULL' });
    expect(saturated.calls()).toBe(1);

    const loading = failing(99, unavailable);
    const two = to((await start(loading.impl)).address, { retry });
    expect(await faultOf(collect(two.client.download({})))).toMatchObject({ reason: 'MODEL_LOADING' });
    expect(loading.calls()).toBe(1);
  });

  it('waits as long as the server asks, unless that is too long or past the deadline', async () => {
    const asking = (retryAfterMs: number) =>
      failing(1, () => new Fault('unavailable', 'MODEL_LOADING', 'not yet', { retryAfterMs }));
    const soon = asking(40);
    const { client } = to((await start(soon.impl)).address, { retry });
    const startMs = performance.now();
    await client.echo({});
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(38);

    const late = asking(5_000);
    const second = to((await start(late.impl)).address, { retry });
    expect(await faultOf(second.client.echo({}))).toMatchObject({ retryAfterMs: 5_000 });
    const patient = { ...retry, maxDelayMs: 60_000 };
    const third = to((await start(asking(30_000).impl)).address, { retry: patient });
    expect(await faultOf(third.client.echo({}, { timeoutMs: 15_000 }))).toMatchObject({
      reason: 'MODEL_LOADING',
    });
  });

  it('stops waiting when the caller aborts', async () => {
    const slow = { maxAttempts: 5, baseDelayMs: 60_000, maxDelayMs: 60_000 };
    const { client } = to((await start(failing(99, unavailable).impl)).address, { retry: slow });
    const call = faultOf(client.echo({}, { signal: AbortSignal.timeout(100) }));
    expect(await call).toMatchObject({ kind: 'late' });
  });
});
