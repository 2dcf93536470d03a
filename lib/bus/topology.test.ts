import { StorageType } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultOf, startTestBus, type TestBus } from './test-bus.ts';
import { EVENTS_STREAM, ensureTopology, RENDER_WORKERS, RENDERS_STREAM } from './topology.ts';

let test: TestBus;
beforeAll(async () => {
  test = await startTestBus();
});
afterAll(() => test.close());

const stream = async (name: string) => (await test.bus.manager.streams.info(name)).config;

describe('ensureTopology', () => {
  it('ensureTopology() makes everything that DESIGN names', async () => {
    const names: string[] = [];
    for await (const { config } of test.bus.manager.streams.list()) names.push(config.name);
    expect(names.sort()).toEqual([
      'KV_talkmesh_renders',
      'OBJ_talkmesh_assets',
      'OBJ_talkmesh_results',
      'TALKMESH_EVENTS',
      'TALKMESH_RENDERS',
    ]);
    const { config } = await test.bus.manager.consumers.info(RENDERS_STREAM, RENDER_WORKERS);
    expect(config).toMatchObject({ ack_policy: 'explicit', ack_wait: 15_000_000_000 });
  });

  it('ensureTopology() by five processes at once, and again, changes nothing', async () => {
    const fresh = await startTestBus();
    const buses = await Promise.all([1, 2, 3, 4, 5].map(() => fresh.connect()));
    await fresh.bus.manager.streams.delete(RENDERS_STREAM);
    await Promise.all(buses.map((bus) => ensureTopology(bus)));
    const before = await fresh.bus.manager.streams.info(RENDERS_STREAM);
    await ensureTopology(fresh.bus);
    expect((await fresh.bus.manager.streams.info(RENDERS_STREAM)).created).toBe(before.created);
    await fresh.close();
  });

  it('ensureTopology() changes limits in place and keeps what is stored', async () => {
    await test.bus.jetstream.publish('talkmesh.renders.acme.x');
    await ensureTopology(test.bus, {
      renders: { maxAgeMs: 60_000, ackWaitMs: 3_000 },
      events: { maxPerRender: 7 },
    });
    expect((await stream(RENDERS_STREAM)).max_age).toBe(60_000_000_000);
    expect((await stream(EVENTS_STREAM)).max_msgs_per_subject).toBe(7);
    const { config, num_pending } = await test.bus.manager.consumers.info(RENDERS_STREAM, RENDER_WORKERS);
    expect([config.ack_wait, num_pending]).toEqual([3_000_000_000, 1]);
  });

  it('ensureTopology() refuses a stream that somebody else made otherwise', async () => {
    const fresh = await startTestBus();
    await fresh.bus.manager.streams.delete(EVENTS_STREAM);
    await fresh.bus.manager.streams.add({
      name: EVENTS_STREAM,
      subjects: ['x'],
      storage: StorageType.Memory,
    });
    const fault = await faultOf(ensureTopology(fresh.bus));
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'BUS_TOPOLOGY_CONFLICT']);
    expect(fault.metadata).toEqual({ stream: EVENTS_STREAM, field: 'storage' });
    await fresh.close();
  });
});
