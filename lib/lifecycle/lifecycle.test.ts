import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import { createLifecycle, type LifecycleConfig, type LifecyclePart } from './lifecycle.ts';
import { createReadiness, type ReadinessReport } from './readiness.ts';
import { startOrder } from './start-order.ts';

const metrics = createMetrics({ processMetrics: false });

function setUp(parts: readonly LifecyclePart[], config: LifecycleConfig = {}) {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const readiness = createReadiness(metrics);
  return { lifecycle: createLifecycle(parts, config, { log, readiness }), readiness, lines };
}

/** A part that writes each of its steps to `events`. */
function part(events: string[], name: string, after: readonly string[] = [], ms = 0): LifecyclePart {
  const step = (what: string) => async () => {
    if (ms > 0) await sleep(ms);
    events.push(`${what} ${name}`);
  };
  return { name, after, start: step('start'), drain: step('drain'), stop: step('stop') };
}

describe('createLifecycle()', () => {
  it('starts what is needed first; drains all, then stops all, in reverse', async () => {
    const events: string[] = [];
    const { lifecycle } = setUp([
      part(events, 'gateway', ['compositor', 'bus']),
      part(events, 'compositor', ['bus']),
      part(events, 'bus'),
    ]);
    await lifecycle.start();
    expect(await lifecycle.stop()).toBe(true);
    expect(events).toEqual([
      ...['start bus', 'start compositor', 'start gateway'],
      ...['drain gateway', 'drain compositor', 'drain bus'],
      ...['stop gateway', 'stop compositor', 'stop bus'],
    ]);
  });

  it('starts side by side what does not need each other', async () => {
    const events: string[] = [];
    const { lifecycle } = setUp([
      part(events, 'slow', [], 60),
      part(events, 'quick', [], 1),
      part(events, 'after', ['quick']),
    ]);
    await lifecycle.start();
    expect(events).toEqual(['start quick', 'start after', 'start slow']);
    await lifecycle.stop();
  });

  it('is ready when all parts are, and not from the moment it is told to stop', async () => {
    const { lifecycle, readiness } = setUp([part([], 'bus', [], 5), part([], 'gateway', ['bus'])]);
    const reports: ReadinessReport[] = [];
    readiness.onChange((report) => reports.push(report));
    const starting = lifecycle.start();
    expect(readiness.report()).toMatchObject({ ready: false, parts: { gateway: { reason: 'starting' } } });
    await starting;
    expect(readiness.report().ready).toBe(true);
    const stopping = lifecycle.stop();
    expect(readiness.report()).toMatchObject({ ready: false, draining: true });
    await stopping;
    expect(reports.map(({ ready }) => ready)).toEqual([false, false, false, true, false]);
  });

  it('waits between "not ready" and the drain, so that balancers can look away', async () => {
    const events: string[] = [];
    const { lifecycle } = setUp([part(events, 'gateway')], { notReadyDelayMs: 40 });
    await lifecycle.start();
    const stopping = lifecycle.stop();
    await sleep(10);
    expect(events).toEqual(['start gateway']);
    await stopping;
    expect(events).toHaveLength(3);
  });

  it('stops what had started when a part fails, cancels the rest, and throws the failure', async () => {
    const events: string[] = [];
    const failure = new Fault('unavailable', 'BUS_LOST', 'the bus is gone');
    const { lifecycle } = setUp([
      part(events, 'store'),
      { name: 'slow', start: (signal) => sleep(10_000, undefined, { signal }).then(() => undefined) },
      { name: 'broken', after: ['store'], start: () => Promise.reject(failure) },
      part(events, 'gateway', ['broken']),
    ]);
    await expect(lifecycle.start()).rejects.toBe(failure);
    expect(events).toEqual(['start store', 'drain store', 'stop store']);
  });

  it('gives a start its deadline', async () => {
    const { lifecycle } = setUp([{ name: 'model', start: () => sleep(10_000) }], { startTimeoutMs: 20 });
    await expect(lifecycle.start()).rejects.toMatchObject({
      reason: 'START_TIMEOUT',
      message: 'model did not start within 20 ms',
    });
  });

  it('goes on stopping past a part that fails or hangs, and says that it was not clean', async () => {
    const events: string[] = [];
    const { lifecycle, lines } = setUp(
      [
        part(events, 'bus'),
        {
          name: 'hanging',
          after: ['bus'],
          drain: () => new Promise(() => undefined),
          stop: () => new Promise(() => undefined),
        },
        { name: 'failing', after: ['bus'], stop: () => Promise.reject(new Error('no')) },
      ],
      { drainTimeoutMs: 20, stopTimeoutMs: 20 },
    );
    await lifecycle.start();
    expect(await lifecycle.stop()).toBe(false);
    expect(events).toContain('stop bus');
    const warned = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
    expect(warned.map(({ part: name, message }) => `${name}: ${message}`).sort()).toEqual([
      'failing: part did not stop cleanly',
      'hanging: part did not drain cleanly',
      'hanging: part did not stop cleanly',
    ]);
  });

  it('tells a part that drains when its time is over', async () => {
    const aborted = vi.fn();
    const { lifecycle } = setUp(
      [
        {
          name: 'renders',
          drain: (signal) =>
            new Promise((resolve) =>
              signal.addEventListener('abort', () => {
                aborted();
                resolve();
              }),
            ),
        },
      ],
      { drainTimeoutMs: 20 },
    );
    await lifecycle.start();
    await lifecycle.stop();
    expect(aborted).toHaveBeenCalledOnce();
  });

  it('can be stopped while it starts, twice, and without ever starting', async () => {
    const events: string[] = [];
    const { lifecycle } = setUp([
      part(events, 'bus'),
      { name: 'slow', start: (signal) => sleep(10_000, undefined, { signal }).then(() => undefined) },
    ]);
    const starting = lifecycle.start();
    await sleep(5);
    const stops = await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    await expect(starting).rejects.toMatchObject({ kind: 'cancelled' });
    expect(stops).toEqual([true, true]);
    expect(events).toEqual(['start bus', 'drain bus', 'stop bus']);
    expect(await setUp([part(events, 'bus')]).lifecycle.stop()).toBe(true);
  });
});

describe('startOrder()', () => {
  it.each([
    ['two parts of one name', [{ name: 'a' }, { name: 'a' }], 'two parts have the same name'],
    [
      'a need that is not there',
      [{ name: 'a', after: ['b'] }],
      'a needs b, which is no part of this process',
    ],
    [
      'a circle',
      [
        { name: 'a', after: ['b'] },
        { name: 'b', after: ['a'] },
      ],
      'parts need each other: a -> b -> a',
    ],
  ])('refuses %s', (_, parts, message) => {
    expect(() => startOrder(parts)).toThrow(
      expect.objectContaining({ reason: 'LIFECYCLE_INVALID', message }),
    );
  });
});

describe('createReadiness()', () => {
  it('reports each part, announces changes only, and exports them', async () => {
    const readiness = createReadiness(metrics);
    const listener = vi.fn();
    const remove = readiness.onChange(listener);
    readiness.set('denoiser', { ready: false, reason: 'loading bundle f8-512' });
    readiness.set('denoiser', { ready: false, reason: 'loading bundle f8-512' });
    expect(listener).toHaveBeenCalledTimes(1);
    expect(await metrics.text()).toContain('talkmesh_ready{part="denoiser"} 0');
    readiness.set('denoiser', { ready: true });
    expect(readiness.report()).toEqual({
      ready: true,
      draining: false,
      parts: { denoiser: { ready: true } },
    });
    expect(await metrics.text()).toContain('talkmesh_ready{part="denoiser"} 1');
    remove();
    readiness.drain();
    expect(listener).toHaveBeenCalledTimes(2);
    expect(readiness.report().ready).toBe(false);
  });
});
