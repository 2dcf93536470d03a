/** What a caller learns of a failure, and what it never learns. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Fault, invalidField } from '#lib/fault/fault.ts';
import { type ContractSubject, collect, faultOf, from, type OpenProbe } from './subject.ts';

export function describeFaults(subject: ContractSubject, open: OpenProbe): void {
  describe(`${subject.name}: faults`, () => {
    it('carries a fault with all its details', async () => {
      const client = await open({
        async echo() {
          throw new Fault('saturated', 'QUEUE_FULL', 'the queue is full – try later', {
            violations: [{ field: 'a.b', description: 'too much' }],
            metadata: { limit: '8' },
            retryAfterMs: 1500,
            cause: new Error('secret'),
          });
        },
      });
      const fault = await faultOf(client.echo({}));
      expect(fault).toMatchObject({
        kind: 'saturated',
        reason: 'QUEUE_FULL',
        message: 'the queue is full – try later',
        violations: [{ field: 'a.b', description: 'too much' }],
        metadata: { limit: '8' },
        retryAfterMs: 1500,
        fromWire: subject.wire,
      });
      if (subject.wire) expect(fault.cause).toBeUndefined();
    });

    it('ends a stream with its fault, after what the caller has read', async () => {
      const client = await open({
        async *download() {
          yield { index: 0n };
          yield { index: 1n };
          throw new Fault('corrupt', 'CHECKSUM_MISMATCH', 'a stored frame is damaged');
        },
      });
      const received: bigint[] = [];
      const fault = await faultOf(
        (async () => {
          for await (const { index } of client.download({})) received.push(index);
        })(),
      );
      // On a wire the fault may overtake messages that the caller has not read yet.
      expect([0n, 1n].slice(0, received.length)).toEqual(received);
      if (!subject.wire) expect(received.length).toBe(2);
      expect(fault).toMatchObject({ kind: 'corrupt', reason: 'CHECKSUM_MISMATCH' });
    });

    it('sends nothing of an error that is no fault', async () => {
      const client = await open({
        async echo(request) {
          // What the clients of JetStream and of HTTP throw: grpc-js would send the number as the status.
          if (request.text === 'code') throw { code: 10_059, message: 'stream not found' };
          if (request.text === 'http')
            throw Object.assign(new Error('conflict'), { code: 409, details: 'secret' });
          if (request.text === 'path') await readFile('/nonexistent/secret/face.mp4');
          throw undefined;
        },
        // biome-ignore lint/correctness/useYield: it fails before its first item
        async *exchange() {
          throw { code: 10_059, message: 'stream not found' };
        },
      });
      for (const text of ['code', 'http', 'path', 'nothing']) {
        const fault = await faultOf(client.echo({ text }));
        expect(fault).toMatchObject({ kind: 'internal', reason: 'UNEXPECTED' });
        expect(fault.message).not.toMatch(/secret|nonexistent|stream|conflict|10059|409/);
        if (subject.wire) expect(fault.cause).toBeUndefined();
      }
      const fault = await faultOf(collect(client.exchange(from({ index: 1n }))));
      expect(fault).toMatchObject({ kind: 'internal', reason: 'UNEXPECTED' });
    });

    it('gives the caller the fault of its own request stream, and cancels the implementation', async () => {
      const received = Promise.withResolvers<void>();
      const seen = Promise.withResolvers<unknown>();
      const client = await open({
        async upload(requests) {
          try {
            for await (const _ of requests) received.resolve();
          } catch (error) {
            seen.resolve(error);
            throw error;
          }
          return {};
        },
      });
      async function* requests(): AsyncGenerator<{ payload: Uint8Array }> {
        yield { payload: new Uint8Array(1) };
        await received.promise;
        throw invalidField('AUDIO_TRUNCATED', 'audio', 'ends in the middle of a frame');
      }
      const fault = await faultOf(client.upload(requests()));
      expect(fault).toMatchObject({ kind: 'invalid', reason: 'AUDIO_TRUNCATED', fromWire: false });
      expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
    });

    it('refuses metadata and timeouts that cannot be sent', async () => {
      let served = 0;
      const client = await open({
        async echo() {
          served++;
          return {};
        },
      });
      const unusable = [
        ['grpc-timeout', '1'],
        ['x-bin', 'a'],
        ['a b', 'c'],
        ['a', 'ü'],
        ['a', 'b\r\nc: d'],
      ] as const;
      for (const [name, value] of unusable) {
        const metadata = { [name]: value };
        expect(await faultOf(client.echo({}, { metadata }))).toMatchObject({ reason: 'METADATA_INVALID' });
      }
      for (const timeoutMs of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
        expect(await faultOf(client.echo({}, { timeoutMs }))).toMatchObject({ reason: 'TIMEOUT_INVALID' });
      }
      for (const timeoutMs of [0, -1, Number.NEGATIVE_INFINITY]) {
        expect(await faultOf(client.echo({}, { timeoutMs }))).toMatchObject({ kind: 'late' });
      }
      expect(served).toBe(0);
    });
  });
}
