/** How a caller ends a call: by a deadline or a signal. */
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { downstream } from '../call-options.ts';
import { aborted, createProbe, endlessRequests, untilAborted } from './probe.ts';
import { type ContractSubject, collect, faultOf, from, type OpenProbe } from './subject.ts';

export function describeCancellation(subject: ContractSubject, open: OpenProbe): void {
  describe(`${subject.name}: cancellation and deadlines`, () => {
    it('fails a call of every kind at its deadline and tells the implementation', async () => {
      const seen: Promise<Fault>[] = [];
      const client = await open({
        echo: (request, context) => {
          if (request.text === 'connect') return Promise.resolve({});
          seen.push(aborted(context));
          return untilAborted(context);
        },
        async *download(_request, context) {
          seen.push(aborted(context));
          yield { index: 0n };
          await untilAborted(context);
        },
        upload: (_requests, context) => {
          seen.push(aborted(context));
          return untilAborted(context);
        },
        async *exchange(requests, context) {
          seen.push(aborted(context));
          for await (const { index } of requests) {
            yield { index };
            await untilAborted(context);
          }
        },
      });
      await client.echo({ text: 'connect' });
      const options = { timeoutMs: 500 };
      const { requests, returned } = endlessRequests(1);
      const calls = [
        client.echo({}, options),
        collect(client.download({}, options)),
        client.upload(from({}), options),
        collect(client.exchange(requests, options)),
      ];
      for (const fault of await Promise.all(calls.map(faultOf))) {
        expect(fault).toMatchObject({ kind: 'late', reason: 'DEADLINE_EXCEEDED' });
      }
      await returned;
      expect(seen.length).toBe(4);
      for (const fault of await Promise.all(seen)) expect(fault.kind).toBe('late');
    });

    it('fails at once with a deadline of 1 ms', async () => {
      const client = await open({ echo: (_request, context) => untilAborted(context) });
      const startMs = performance.now();
      expect(await faultOf(client.echo({}, { timeoutMs: 1 }))).toMatchObject({ kind: 'late' });
      expect(performance.now() - startMs).toBeLessThan(1_000);
    });

    it('ends a call when the caller aborts, on both sides', async () => {
      const seen = Promise.withResolvers<Fault>();
      const cleaned = Promise.withResolvers<void>();
      const client = await open({
        async *exchange(requests, context) {
          void aborted(context).then(seen.resolve);
          try {
            for await (const { index } of requests) yield { index };
          } finally {
            cleaned.resolve();
          }
        },
      });
      const controller = new AbortController();
      const { requests, returned } = endlessRequests(10);
      let received = 0;
      const fault = await faultOf(
        (async () => {
          for await (const _ of client.exchange(requests, { signal: controller.signal })) {
            if (++received === 10) controller.abort();
          }
        })(),
      );
      expect(fault).toMatchObject({ kind: 'cancelled', fromWire: false });
      expect(received).toBe(10);
      expect(await seen.promise).toMatchObject({ kind: 'cancelled' });
      await Promise.all([returned, cleaned.promise]);
    });

    it('throws the fault that the caller aborts with', async () => {
      const client = await open({ echo: (_request, context) => untilAborted(context) });
      const controller = new AbortController();
      const call = faultOf(client.echo({}, { signal: controller.signal }));
      setTimeout(() => controller.abort(new Fault('superseded', 'NEWER_TAKE', 'a newer take came')), 30);
      expect(await call).toMatchObject({ kind: 'superseded', reason: 'NEWER_TAKE' });
      expect(await faultOf(client.echo({}, { signal: controller.signal }))).toMatchObject({
        reason: 'NEWER_TAKE',
      });
      expect(await faultOf(client.echo({}, { signal: AbortSignal.timeout(30) }))).toMatchObject({
        kind: 'late',
      });
    });

    it('refuses a call that is cancelled before it starts', async () => {
      let served = 0;
      const client = await open({
        async echo() {
          served++;
          return {};
        },
      });
      const options = { signal: AbortSignal.abort() };
      expect(await faultOf(client.echo({}, options))).toMatchObject({ kind: 'cancelled' });
      expect(await faultOf(collect(client.download({}, options)))).toMatchObject({ kind: 'cancelled' });
      expect(served).toBe(0);
    });

    it('passes cancellation, deadline and chosen metadata on to the calls that a call makes', async () => {
      const reached = Promise.withResolvers<void>();
      const seen = Promise.withResolvers<unknown>();
      const behind = await open({
        async echo(_request, context) {
          reached.resolve();
          const fault = await aborted(context);
          seen.resolve({
            kind: fault.kind,
            metadata: Object.fromEntries(context.metadata),
            deadline: context.deadlineMs,
          });
          throw fault;
        },
      });
      const client = await open({
        ...createProbe(),
        echo: (request, context) => behind.echo(request, downstream(context, ['tenant'])),
      });
      const controller = new AbortController();
      const metadata = { tenant: 't', other: 'o' };
      const call = faultOf(client.echo({}, { signal: controller.signal, timeoutMs: 10_000, metadata }));
      await reached.promise;
      controller.abort();
      await call;
      expect(await seen.promise).toEqual({
        kind: 'cancelled',
        metadata: { tenant: 't' },
        deadline: expect.any(Number),
      });
    });
  });
}
