/** That nobody produces faster than the other side reads. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { endlessRequests, settledCount, untilAborted } from './probe.ts';
import { BULK_SIZE_BYTES, type ContractSubject, type OpenProbe } from './subject.ts';

export function describeBackpressure(subject: ContractSubject, open: OpenProbe): void {
  describe(`${subject.name}: backpressure`, () => {
    it('pauses the implementation while the caller does not read', async () => {
      let produced = 0;
      const client = await open({
        async *download() {
          for (;;) yield { index: BigInt(produced++), payload: new Uint8Array(BULK_SIZE_BYTES) };
        },
      });
      const stream = client.download({})[Symbol.asyncIterator]();
      let read = 0;
      for (; read < 3; read++) await stream.next();
      const paused = await settledCount(() => produced);
      expect(paused - read).toBeLessThanOrEqual(subject.maxMessagesAhead);

      for (; read < paused + 20; read++) await stream.next();
      const pausedAgain = await settledCount(() => produced);
      expect(pausedAgain).toBeGreaterThan(paused);
      expect(pausedAgain - read).toBeLessThanOrEqual(subject.maxMessagesAhead);
      await stream.return?.();
    });

    it('pauses the requests while the implementation does not read', async () => {
      const resume = Promise.withResolvers<void>();
      let read = 0;
      const client = await open({
        async upload(requests, context) {
          for await (const _ of requests) {
            if (++read === 3) await resume.promise;
            if (read === 200) break;
          }
          return untilAborted(context);
        },
      });
      const { requests, produced, returned } = endlessRequests(BULK_SIZE_BYTES);
      const controller = new AbortController();
      const call = client.upload(requests, { signal: controller.signal }).catch((error: unknown) => error);
      const paused = await settledCount(produced);
      expect(read).toBe(3);
      expect(paused - read).toBeLessThanOrEqual(subject.maxMessagesAhead);

      resume.resolve();
      await expect.poll(() => read, { timeout: 10_000 }).toBe(200);
      const pausedAgain = await settledCount(produced);
      expect(pausedAgain).toBeGreaterThanOrEqual(200);
      expect(pausedAgain - read).toBeLessThanOrEqual(subject.maxMessagesAhead);
      controller.abort();
      await call;
      await returned;
    });

    it('delivers everything to a slow reader of a long stream', async () => {
      const client = await open();
      const messageCount = 400;
      let expected = 0n;
      for await (const { index, payload } of client.download({
        messageCount: BigInt(messageCount),
        payloadSizeBytes: BULK_SIZE_BYTES,
      })) {
        expect(index).toBe(expected++);
        expect(payload.length).toBe(BULK_SIZE_BYTES);
        if (index % 50n === 0n) await delay(20);
      }
      expect(Number(expected)).toBe(messageCount);
    });
  });
}
