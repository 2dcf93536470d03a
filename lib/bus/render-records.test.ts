import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RenderSchema, RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { newRenderId } from './render-id.ts';
import { changed, type RenderRecord } from './render-record.ts';
import { createRenderRecords, type RenderRecords } from './render-records.ts';
import { createStores, faultOf, renderRequest, startTestBus, type TestBus } from './test-bus.ts';
import { ensureTopology } from './topology.ts';

let test: TestBus;
let records: RenderRecords;
beforeAll(async () => {
  test = await startTestBus();
  records = createRenderRecords(test.bus);
});
afterAll(() => test.close());

const newRender = () =>
  create(RenderSchema, { id: newRenderId(), state: RenderState.QUEUED, sourceAssetId: 'sha256:a' });
const countOne = (record: RenderRecord) => changed(record, { frameCount: record.render.frameCount + 1n });

describe('RenderRecords', () => {
  it('keeps a record with its times, and gives it to its tenant alone', async () => {
    const render = newRender();
    const begun = Date.now();
    await records.insert('acme', render);
    const record = await records.get('acme', render.id);
    expect(record).toMatchObject({ tenant: 'acme', chargedCount: 0, render: { sourceAssetId: 'sha256:a' } });
    expect(timestampMs(record.render.updateTime!)).toBeGreaterThanOrEqual(begun);
    const kept = timestampMs(record.render.expireTime!) - timestampMs(record.render.updateTime!);
    expect(kept).toBe(7 * 24 * 3_600_000);
    for (const stranger of ['other', 'acm', 'ACME']) {
      const fault = await faultOf(records.get(stranger, render.id));
      expect([fault.kind, fault.reason]).toEqual(['missing', 'RENDER_NOT_FOUND']);
      expect((await faultOf(records.update(stranger, render.id, countOne))).reason).toBe('RENDER_NOT_FOUND');
      expect((await faultOf(records.delete(stranger, render.id))).reason).toBe('RENDER_NOT_FOUND');
      expect((await records.list(stranger, 0, '')).records).toEqual([]);
    }
  });

  it.each(['*', '>', 'a.b', '', 'acme ', 'ä', 'x'.repeat(65)])('refuses the tenant %j', async (tenant) => {
    expect((await faultOf(records.get(tenant, newRenderId()))).reason).toBe('TENANT_INVALID');
    expect((await faultOf(records.list(tenant, 0, ''))).reason).toBe('TENANT_INVALID');
  });

  it.each(['*', '>', '../x', ''])('knows no render %j', async (id) => {
    expect((await faultOf(records.get('acme', id))).reason).toBe('RENDER_NOT_FOUND');
  });

  it('inserts a render once', async () => {
    const render = newRender();
    const all = await Promise.all([1, 2, 3, 4].map(() => records.insert('acme', render)));
    expect(new Set(all.map(({ revision }) => revision)).size).toBe(1);
  });

  it('loses no change of many concurrent updaters', async () => {
    const render = newRender();
    await records.insert('acme', render);
    const others = await Promise.all([1, 2, 3].map(async () => createRenderRecords(await test.connect())));
    const updaters = [records, ...others].flatMap((each) => Array.from({ length: 8 }, () => each));
    await Promise.all(
      updaters.map(async (each) => {
        for (let i = 0; i < 4; i++) await each.update('acme', render.id, countOne);
      }),
    );
    expect((await records.get('acme', render.id)).render.frameCount).toBe(BigInt(updaters.length * 4));
  });

  it('gives up with RENDER_CONTENDED after too many lost races, and then has changed nothing', async () => {
    const render = newRender();
    await records.insert('acme', render);
    const impatient = createRenderRecords(test.bus, { maxRaces: 1 });
    const updates = Array.from({ length: 20 }, () => impatient.update('acme', render.id, countOne));
    const results = await Promise.allSettled(updates);
    const lost = results.filter((result) => result.status === 'rejected');
    expect(lost.length).toBeGreaterThan(0);
    for (const { reason } of lost)
      expect(reason).toMatchObject({ kind: 'superseded', reason: 'RENDER_CONTENDED' });
    expect((await records.get('acme', render.id)).render.frameCount).toBe(
      BigInt(results.length - lost.length),
    );
  });

  it('refuses to change what has ended', async () => {
    const render = newRender();
    await records.insert('acme', render);
    await records.update('acme', render.id, (record) => changed(record, { state: RenderState.CANCELLED }));
    const fault = await faultOf(
      records.update('acme', render.id, (record) => changed(record, { state: RenderState.RUNNING })),
    );
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'RENDER_ENDED']);
    expect((await records.get('acme', render.id)).render.state).toBe(RenderState.CANCELLED);
  });

  it('writes nothing when nothing changes', async () => {
    const render = newRender();
    const { revision } = await records.insert('acme', render);
    expect((await records.update('acme', render.id, (record) => record)).revision).toBe(revision);
  });

  it('lists newest first, in pages that together are everything once', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 25; i++) ids.push((await records.insert('lister', newRender())).render.id);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), async (pageSize) => {
        const seen: string[] = [];
        let token = '';
        do {
          const page = await records.list('lister', pageSize, token);
          expect(page.records.length).toBeLessThanOrEqual(pageSize);
          seen.push(...page.records.map(({ render }) => render.id));
          token = page.nextPageToken;
        } while (token !== '');
        expect(seen).toEqual([...ids].reverse());
      }),
      { numRuns: 12 },
    );
    expect((await records.list('lister', 0, '')).records).toHaveLength(20);
    expect((await faultOf(records.list('lister', -1, ''))).reason).toBe('PAGE_SIZE_INVALID');
    expect((await faultOf(records.list('lister', 5, 'bogus'))).reason).toBe('PAGE_TOKEN_INVALID');
  });

  it('goes on listing behind a page whose records were deleted meanwhile', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await records.insert('deleter', newRender())).render.id);
    const page = await records.list('deleter', 2, '');
    await records.delete('deleter', ids[1]!);
    const rest = await records.list('deleter', 2, page.nextPageToken);
    expect(rest.records.map(({ render }) => render.id)).toEqual([ids[0]]);
    expect(rest.nextPageToken).toBe('');
    expect((await faultOf(records.get('deleter', ids[1]!))).reason).toBe('RENDER_NOT_FOUND');
  });

  it('reads what a newer version has written, and names what nobody can read', async () => {
    const id = newRenderId();
    const subject = `$KV.talkmesh_renders.render.acme.${id}`;
    const newer = {
      render: { id, state: 'RENDER_STATE_QUEUED', colour: 'red' },
      chargedCount: 2,
      mood: 'good',
    };
    await test.bus.jetstream.publish(subject, JSON.stringify(newer));
    expect(await records.get('acme', id)).toMatchObject({
      chargedCount: 2,
      render: { state: RenderState.QUEUED },
    });
    await test.bus.jetstream.publish(subject, '{"render":');
    const fault = await faultOf(records.get('acme', id));
    expect([fault.kind, fault.reason]).toEqual(['corrupt', 'RECORD_CORRUPT']);
  });
});

describe('Renders.submit', () => {
  it('gives the same render for the same request id and body, and refuses another body', async () => {
    const { renders } = createStores(test.bus);
    const request = renderRequest({ requestId: 'one', face: { seed: 7n } });
    const first = await renders.submit('acme', request);
    const again = await Promise.all([1, 2, 3].map(() => renders.submit('acme', request)));
    expect(first.replayed).toBe(false);
    for (const each of again) expect(each).toMatchObject({ replayed: true, render: { id: first.render.id } });
    const fault = await faultOf(
      renders.submit('acme', renderRequest({ requestId: 'one', face: { seed: 8n } })),
    );
    expect([fault.kind, fault.reason]).toEqual(['conflict', 'IDEMPOTENCY_KEY_REUSED']);
    expect(fault.violations[0]?.field).toBe('request_id');
    const stranger = await renders.submit('other', request);
    expect(stranger.render.id).not.toBe(first.render.id);
  });

  it('makes one render of concurrent submissions under one request id', async () => {
    const { renders, queue } = createStores(test.bus);
    const before = (await queue.depth()).waitingCount;
    const request = renderRequest({ requestId: 'concurrent' });
    const all = await Promise.all(Array.from({ length: 12 }, () => renders.submit('acme', request)));
    expect(new Set(all.map(({ render }) => render.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect((await queue.depth()).waitingCount - before).toBe(1);
  });

  it('completes a submission whose process died half-way', async () => {
    const { renders, queue } = createStores(test.bus);
    const request = renderRequest({ requestId: 'half-way' });
    const first = await renders.submit('acme', request);
    await records.delete('acme', first.render.id);
    await queue.remove('acme', first.render.id);
    const second = await renders.submit('acme', request);
    expect(second.render.id).toBe(first.render.id);
    expect(second.render.state).toBe(RenderState.QUEUED);
  });

  it.each(['x'.repeat(129), 'with space', 'umläut', 'line\nbreak'])(
    'refuses the request id %j',
    async (requestId) => {
      const { renders } = createStores(test.bus);
      expect((await faultOf(renders.submit('acme', renderRequest({ requestId })))).reason).toBe(
        'REQUEST_ID_INVALID',
      );
    },
  );
});

describe('limits of the store', () => {
  it('records expire, and take their idempotency keys along', async () => {
    const short = await startTestBus({ records: { maxAgeMs: 300 }, renders: { maxAgeMs: 300 } });
    const { renders, queue } = createStores(short.bus);
    const request = renderRequest({ requestId: 'short' });
    const { render } = await renders.submit('acme', request);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect((await faultOf(renders.get('acme', render.id))).reason).toBe('RENDER_NOT_FOUND');
    expect((await queue.depth()).waitingCount).toBe(0);
    expect((await renders.submit('acme', request)).render.id).not.toBe(render.id);
    await short.close();
  });

  it('a full store refuses new renders with STORE_FULL, loses nothing, and lets those it has go on', async () => {
    const small = await startTestBus();
    await ensureTopology(small.bus, { records: { maxCount: 40 } });
    const { renders, queue, records: kept } = createStores(small.bus);
    const ids: string[] = [];
    const fault = await faultOf(
      (async () => {
        for (let i = 0; i < 200; i++) ids.push((await renders.submit('acme', renderRequest())).render.id);
      })(),
    );
    expect([fault.kind, fault.reason]).toEqual(['saturated', 'STORE_FULL']);
    expect(fault.retryAfterMs).toBeGreaterThan(0);
    expect(ids).toHaveLength(40);
    expect((await queue.depth()).waitingCount).toBe(40);
    for (const id of ids) expect((await renders.get('acme', id)).state).toBe(RenderState.QUEUED);
    const done = await kept.update('acme', ids[0]!, (record) =>
      changed(record, { state: RenderState.CANCELLED }),
    );
    expect(done.render.state).toBe(RenderState.CANCELLED);
    await small.close();
  });
});
