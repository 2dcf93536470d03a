/** What becomes of one side of a stream when the other stops. */
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { aborted, endlessRequests, untilAborted } from './probe.ts';
import { type ContractSubject, collect, faultOf, type OpenProbe } from './subject.ts';

export function describeEarlyEnd(subject: ContractSubject, open: OpenProbe): void {
  describe(`${subject.name}: streams that end early`, () => {
    it('stops the implementation when the caller leaves the loop', async () => {
      const seen = Promise.withResolvers<Fault>();
      const cleaned = Promise.withResolvers<void>();
      const client = await open({
        async *download(_request, context) {
          void aborted(context).then(seen.resolve);
          try {
            for (let index = 0n; ; index++) yield { index };
          } finally {
            cleaned.resolve();
          }
        },
      });
      for await (const { index } of client.download({})) if (index === 3n) break;
      expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
      await cleaned.promise;
    });

    it('stops while a pull is waiting', async () => {
      const seen = Promise.withResolvers<Fault>();
      const client = await open({
        async *download(_request, context) {
          void aborted(context).then(seen.resolve);
          yield { index: 0n };
          await untilAborted(context);
        },
      });
      const stream = client.download({})[Symbol.asyncIterator]();
      await stream.next();
      const waiting = stream.next();
      await stream.return?.();
      expect(await waiting).toMatchObject({ done: true });
      expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
      expect(await stream.next()).toMatchObject({ done: true });
    });

    it('stops the requests when the answer ends first, well or badly', async () => {
      const client = await open({
        async *exchange(requests) {
          for await (const { index } of requests) {
            yield { index };
            if (index === 2n) return;
          }
        },
        async upload(requests) {
          for await (const _ of requests) throw new Fault('invalid', 'NO_FACE_FOUND', 'there is no face');
          return {};
        },
      });
      const exchange = endlessRequests(10);
      const answers = await collect(client.exchange(exchange.requests));
      expect(answers.map(({ index }) => index)).toEqual([0n, 1n, 2n]);
      await exchange.returned;

      const upload = endlessRequests(10);
      expect(await faultOf(client.upload(upload.requests))).toMatchObject({ reason: 'NO_FACE_FOUND' });
      await upload.returned;
    });

    it('stops the requests when the answer fails while the next request is being made', async () => {
      const client = await open({
        // biome-ignore lint/correctness/useYield: it fails before its first item
        async *exchange(requests) {
          for await (const _ of requests) throw new Fault('unavailable', 'MODEL_LOADING', 'not yet');
        },
      });
      const returned = Promise.withResolvers<void>();
      let produced = 0;
      const requests: AsyncIterable<{ index: bigint }> = {
        [Symbol.asyncIterator]: () => ({
          // The second request never comes.
          next: () =>
            produced++ === 0
              ? Promise.resolve({ done: false, value: { index: 0n } })
              : new Promise(() => undefined),
          async return() {
            returned.resolve();
            return { done: true, value: undefined };
          },
        }),
      };
      expect(await faultOf(collect(client.exchange(requests)))).toMatchObject({ reason: 'MODEL_LOADING' });
      await returned.promise;
    });

    it('never shows a request stream that was cancelled as one that has ended', async () => {
      let over = 0;
      let ended = 0;
      const client = await open({
        async *exchange(requests) {
          try {
            for await (const { index } of requests) yield { index };
            ended++;
          } finally {
            over++;
          }
        },
      });
      const cancelAfter = async (messageCount: number, payloadSizeBytes: number): Promise<void> => {
        const controller = new AbortController();
        const { requests } = endlessRequests(payloadSizeBytes);
        let received = 0;
        await faultOf(
          (async () => {
            for await (const _ of client.exchange(requests, { signal: controller.signal })) {
              if (++received === messageCount) controller.abort();
            }
          })(),
        );
      };
      for (const payloadSizeBytes of [0, 10, 1_000, 100_000]) {
        await Promise.all(Array.from({ length: 15 }, (_, index) => cancelAfter(1 + index, payloadSizeBytes)));
      }
      await expect.poll(() => over, { timeout: 10_000 }).toBe(60);
      expect(ended).toBe(0);
    });
  });
}
