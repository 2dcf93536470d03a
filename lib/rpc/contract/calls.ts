/** What calls carry. */
import { describe, expect, it, vi } from 'vitest';
import { type ContractSubject, collect, from, type OpenProbe } from './subject.ts';

export function describeCalls(subject: ContractSubject, open: OpenProbe): void {
  describe(`${subject.name}: calls`, () => {
    it('carries a unary call', async () => {
      const client = await open();
      const response = await client.echo({ text: 'grüße', payload: new Uint8Array([1, 2, 3]) });
      expect(response.$typeName).toBe('talkmesh.probe.v1.EchoResponse');
      expect(response.text).toBe('grüße');
      expect([...response.payload]).toEqual([1, 2, 3]);
    });

    it('carries a response stream, in order, and an empty one', async () => {
      const client = await open();
      const messages = await collect(client.download({ messageCount: 100n, payloadSizeBytes: 1000 }));
      expect(messages.map(({ index }) => Number(index))).toEqual([...Array(100).keys()]);
      expect(messages.every(({ payload }) => payload.length === 1000)).toBe(true);
      expect(messages[0]!.$typeName).toBe('talkmesh.probe.v1.DownloadResponse');
      expect(await collect(client.download({}))).toEqual([]);
    });

    it('carries a request stream, and an empty one', async () => {
      const client = await open();
      const response = await client.upload(
        from({ payload: new Uint8Array(3) }, { payload: new Uint8Array(4) }),
      );
      expect(response).toMatchObject({ messageCount: 2n, payloadSizeBytes: 7n });
      expect(await client.upload(from())).toMatchObject({ messageCount: 0n });
    });

    it('carries both at once, one answer before the next request', async () => {
      const client = await open();
      const answered: bigint[] = [];
      async function* requests(): AsyncGenerator<{ index: bigint }> {
        for (let index = 0n; index < 20n; index++) {
          yield { index };
          while (answered.length <= Number(index)) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
      for await (const { index } of client.exchange(requests())) answered.push(index);
      expect(answered).toEqual([...Array(20).keys()].map(BigInt));
    });

    it('keeps fifty concurrent streams apart', async () => {
      const client = await open();
      const one = async (tag: number): Promise<void> => {
        const payload = new Uint8Array(500).fill(tag);
        const sent = Array.from({ length: 20 }, (_, index) => ({ index: BigInt(index), payload }));
        const received = await collect(client.exchange(from(...sent)));
        expect(received.length).toBe(20);
        expect(received.every((message) => message.payload.every((byte) => byte === tag))).toBe(true);
      };
      await Promise.all(Array.from({ length: 50 }, (_, tag) => one(tag)));
    });

    it('gives the implementation the metadata and the deadline', async () => {
      let seen: unknown;
      const client = await open({
        async echo(_request, context) {
          seen = { metadata: Object.fromEntries(context.metadata), deadlineMs: context.deadlineMs };
          return {};
        },
      });
      const before = Date.now();
      await client.echo({}, { metadata: { 'X-Tenant': 'a b' }, timeoutMs: 5_000 });
      expect(seen).toEqual({ metadata: { 'x-tenant': 'a b' }, deadlineMs: expect.any(Number) });
      const { deadlineMs } = seen as { deadlineMs: number };
      expect(deadlineMs).toBeGreaterThan(before + 4_000);
      expect(deadlineMs).toBeLessThan(before + 6_000);
    });

    it('starts a stream with the first pull, and answers pulls that overlap in order', async () => {
      let started = 0;
      const client = await open({
        async *download() {
          started++;
          yield { index: 0n };
          yield { index: 1n };
        },
      });
      const stream = client.download({})[Symbol.asyncIterator]();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(started).toBe(0);
      const results = await Promise.all([stream.next(), stream.next(), stream.next()]);
      expect(results.map(({ value }) => value?.index)).toEqual([0n, 1n, undefined]);
      expect(results.map(({ done }) => done)).toEqual([false, false, true]);
      expect(started).toBe(1);
    });

    it('tells the hook of each call: its messages, its steps and its end', async () => {
      const ended: (string | undefined)[] = [];
      const messages: string[] = [];
      let steps = 0;
      const client = await open({}, (call) => ({
        run(step) {
          steps++;
          return step();
        },
        onMessage: (direction) => messages.push(`${call.method} ${direction}`),
        onEnd: (fault) => ended.push(fault?.reason),
      }));
      await collect(client.download({ messageCount: 2n }));
      await expect.poll(() => ended).toEqual([undefined]);
      expect(messages).toEqual(['Download request', 'Download response', 'Download response']);
      expect(steps).toBe(4);
    });

    it('does not let a broken hook break a call', async () => {
      const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
      const broken = (): never => {
        throw new Error('broken');
      };
      const throwing = await open({}, broken);
      expect((await throwing.echo({ text: 'a' })).text).toBe('a');
      const inParts = await open({}, () => ({ onMessage: broken, onEnd: broken }));
      expect((await inParts.echo({ text: 'b' })).text).toBe('b');
      await expect.poll(() => warnings.mock.calls.length).toBe(4);
    });
  });
}
