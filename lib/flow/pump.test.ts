import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { counted, turn } from './counted.ts';
import { pump } from './pump.ts';

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
