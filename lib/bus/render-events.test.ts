import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RenderEvent, RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { cancelled, progressed, started, succeeded } from './render-changes.ts';
import { createRenderEvents } from './render-events.ts';
import { newRenderId } from './render-id.ts';
import type { RenderRecord } from './render-record.ts';
import {
  collect,
  createStores,
  faultOf,
  type RenderStores,
  renderRequest,
  startTestBus,
  type TestBus,
  until,
} from './test-bus.ts';
import { EVENTS_STREAM, ensureTopology } from './topology.ts';

let test: TestBus;
let stores: RenderStores;
beforeAll(async () => {
  test = await startTestBus();
  stores = createStores(test.bus);
});
afterAll(() => test.close());

const { QUEUED, RUNNING, SUCCEEDED, CANCELLED } = RenderState;
const soon = () => AbortSignal.timeout(15_000);
const states = (events: readonly RenderEvent[]) => events.map((event) => event.render?.state);
const frames = (events: readonly RenderEvent[]) => events.map((event) => Number(event.render?.frameCount));

async function change(id: string, next: (record: RenderRecord) => RenderRecord): Promise<void> {
  await stores.events.publish(await stores.records.update('acme', id, next, { patienceMs: 15_000 }));
}
const frame = (id: string, frameCount: number) =>
  change(id, (record) => progressed(record, 1, { frameCount, expectedFrameCount: 9 }));
const end = (id: string) =>
  change(id, (record) => succeeded(record, 1, { mediaType: 'video/mp4' }, undefined));

async function submit(): Promise<string> {
  return (await stores.renders.submit('acme', renderRequest())).render.id;
}

describe('RenderEvents.watch', () => {
  it('gives what happened and what happens, in order, until the end', async () => {
    const id = await submit();
    await change(id, started);
    const watching = collect(stores.renders.watch('acme', id, 0, soon()));
    for (let count = 1; count <= 4; count++) await frame(id, count);
    await end(id);
    const events = await watching;
    expect(states(events)).toEqual([QUEUED, RUNNING, RUNNING, RUNNING, RUNNING, RUNNING, SUCCEEDED]);
    expect(frames(events)).toEqual([0, 0, 1, 2, 3, 4, 4]);
    const sequences = events.map(({ sequence }) => Number(sequence));
    expect([...new Set(sequences)].sort((a, b) => a - b)).toEqual(sequences);
  });

  it('resumes behind any event, and ends at once behind the last', async () => {
    const id = await submit();
    await change(id, started);
    await frame(id, 1);
    await end(id);
    const all = await collect(stores.renders.watch('acme', id, 0, soon()));
    expect(all).toHaveLength(4);
    for (const [index, { sequence }] of all.entries()) {
      const rest = await collect(stores.renders.watch('acme', id, Number(sequence), soon()));
      expect(rest).toEqual(all.slice(index + 1));
    }
    expect(await collect(stores.renders.watch('acme', id, 1_000_000, soon()))).toEqual([]);
  });

  it('shows a render to its tenant alone', async () => {
    const id = await submit();
    const fault = await faultOf(collect(stores.renders.watch('other', id, 0, soon())));
    expect([fault.kind, fault.reason]).toEqual(['missing', 'RENDER_NOT_FOUND']);
    const unknown = await faultOf(collect(stores.renders.watch('acme', newRenderId(), 0, soon())));
    expect(unknown.reason).toBe('RENDER_NOT_FOUND');
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses to begin after %d', async (afterSequence) => {
    const fault = await faultOf(collect(stores.renders.watch('acme', newRenderId(), afterSequence, soon())));
    expect(fault.reason).toBe('AFTER_SEQUENCE_INVALID');
  });

  it('ends with the reason of the signal', async () => {
    const id = await submit();
    const fault = await faultOf(collect(stores.renders.watch('acme', id, 0, AbortSignal.timeout(100))));
    expect(fault.reason).toBe('DEADLINE_EXCEEDED');
  });

  it('logs the end that a process recorded but did not live to log, once for all watchers', async () => {
    const id = await submit();
    const watching = [1, 2, 3].map(() => collect(stores.renders.watch('acme', id, 0, soon())));
    await stores.records.update('acme', id, cancelled);
    const all = await Promise.all(watching);
    for (const events of all) expect(states(events)).toEqual([QUEUED, CANCELLED]);
    expect(new Set(all.map((events) => events.at(-1)?.sequence)).size).toBe(1);
  });

  it('still gives the end when all events have expired', async () => {
    const id = await submit();
    await stores.renders.cancel('acme', id);
    await test.bus.manager.streams.purge(EVENTS_STREAM, { filter: `talkmesh.events.acme.${id}` });
    expect(states(await collect(stores.renders.watch('acme', id, 0, soon())))).toEqual([CANCELLED]);
  });

  it('neither loses nor doubles events when the server crashes', async () => {
    const id = await submit();
    await change(id, started);
    const seen: RenderEvent[] = [];
    const watching = (async () => {
      for await (const event of stores.renders.watch('acme', id, 0, soon())) seen.push(event);
    })();
    for (let count = 1; count <= 30; count++) {
      if (count === 10 || count === 20) test.crashServer();
      await frame(id, count);
    }
    await end(id);
    await watching;
    expect(frames(seen)).toEqual([0, 0, ...Array.from({ length: 30 }, (_, i) => i + 1), 30]);
  });

  it('holds nothing for a watcher that does not read, which then gets what is kept, the end included', async () => {
    await ensureTopology(test.bus, { events: { maxPerRender: 5 } });
    const id = await submit();
    await change(id, started);
    const watcher = stores.renders.watch('acme', id, 0, soon())[Symbol.asyncIterator]();
    const first = await watcher.next();
    const before = test.bus.nats.stats().inBytes;
    for (let count = 1; count <= 9; count++) await frame(id, count);
    await end(id);
    const received = test.bus.nats.stats().inBytes - before;
    const rest: RenderEvent[] = [];
    for (let next = await watcher.next(); !next.done; next = await watcher.next()) rest.push(next.value);
    expect(first.value?.render?.state).toBe(QUEUED);
    expect(frames(rest)).toEqual([6, 7, 8, 9, 9]);
    expect(rest.at(-1)?.render?.state).toBe(SUCCEEDED);
    expect(received).toBeLessThan(100_000);
    await ensureTopology(test.bus);
  });

  it('sees an event at once, not when it looks by itself', async () => {
    const lazy = createRenderEvents(test.bus, stores.records, { lookEveryMs: 60_000 });
    const id = await submit();
    const watcher = lazy.watch('acme', id, 0, soon())[Symbol.asyncIterator]();
    await watcher.next();
    const next = watcher.next();
    await until(() => test.bus.isConnected());
    const begun = performance.now();
    await stores.renders.cancel('acme', id);
    expect((await next).value?.render?.state).toBe(CANCELLED);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect((await watcher.next()).done).toBe(true);
  });
});

describe('RenderEvents.publish', () => {
  it('never logs an older revision behind a newer one, nor the same twice', async () => {
    const id = await submit();
    const running = await stores.records.update('acme', id, started);
    const ended = await stores.records.update('acme', id, cancelled);
    await stores.events.publish(ended);
    await stores.events.publish(running);
    await Promise.all([1, 2, 3].map(() => stores.events.publish(ended)));
    expect(states(await collect(stores.renders.watch('acme', id, 0, soon())))).toEqual([QUEUED, CANCELLED]);
    const info = await test.bus.manager.streams.info(EVENTS_STREAM, {
      subjects_filter: `talkmesh.events.acme.${id}`,
    });
    expect(info.state.subjects).toEqual({ [`talkmesh.events.acme.${id}`]: 2 });
  });
});
