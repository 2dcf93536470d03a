/** The service that the contract suite calls, and what it observes of it. */
import type { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { abortFault, type Fault } from '#lib/fault/fault.ts';
import type { CallContext, ServiceClient, ServiceImpl } from '../service-types.ts';

export type ProbeImpl = ServiceImpl<typeof ProbeService>;
export type ProbeClient = ServiceClient<typeof ProbeService>;

/** A probe that does what its proto says, except for the methods given. */
export function createProbe(overrides: Partial<ProbeImpl> = {}): ProbeImpl {
  return {
    async echo(request) {
      return { text: request.text, payload: request.payload };
    },
    async *download(request) {
      for (let index = 0n; index < request.messageCount; index++) {
        yield { index, payload: new Uint8Array(request.payloadSizeBytes) };
      }
    },
    async upload(requests) {
      let messageCount = 0n;
      let payloadSizeBytes = 0n;
      for await (const request of requests) {
        messageCount++;
        payloadSizeBytes += BigInt(request.payload.length);
      }
      return { messageCount, payloadSizeBytes };
    },
    async *exchange(requests) {
      for await (const request of requests) yield { index: request.index, payload: request.payload };
    },
    ...overrides,
  };
}

/** Resolves with the fault that the call's signal is aborted with. */
export function aborted(context: CallContext): Promise<Fault> {
  return new Promise((resolve) => {
    const { signal } = context;
    if (signal.aborted) resolve(abortFault(signal));
    else signal.addEventListener('abort', () => resolve(abortFault(signal)), { once: true });
  });
}

/** Waits for the signal and then fails with its fault, as a well-behaved implementation does. */
export async function untilAborted(context: CallContext): Promise<never> {
  throw await aborted(context);
}

/** Polls until the number stays the same for `quietMs`, and returns it. Throws when it has not after 10 s. */
export async function settledCount(count: () => number, quietMs = 150): Promise<number> {
  const giveUpMs = Date.now() + 10_000;
  let last = count();
  let sinceMs = Date.now();
  while (Date.now() - sinceMs < quietMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (count() !== last) {
      last = count();
      sinceMs = Date.now();
    }
    if (Date.now() > giveUpMs) throw new Error(`the count still grows: ${last}`);
  }
  return last;
}

/** Numbered requests without end; `produced` counts them and `returned` tells that the iterator was stopped. */
export function endlessRequests(payloadSizeBytes: number): {
  readonly requests: AsyncIterable<{ index: bigint; payload: Uint8Array }>;
  readonly produced: () => number;
  readonly returned: Promise<void>;
} {
  let produced = 0;
  const stopped = Promise.withResolvers<void>();
  async function* generate(): AsyncGenerator<{ index: bigint; payload: Uint8Array }> {
    try {
      for (;;) yield { index: BigInt(produced++), payload: new Uint8Array(payloadSizeBytes) };
    } finally {
      stopped.resolve();
    }
  }
  return { requests: generate(), produced: () => produced, returned: stopped.promise };
}
