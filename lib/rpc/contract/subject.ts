/** A binding under test, and what its tests share. */
import { type Fault, isFault } from '#lib/fault/fault.ts';
import type { CallHook } from '../call-hook.ts';
import type { ProbeClient, ProbeImpl } from './probe.ts';

export interface BoundProbe {
  readonly client: ProbeClient;
  close(): Promise<void>;
}

export interface ContractSubject {
  readonly name: string;
  /** Whether faults cross a process boundary. */
  readonly wire: boolean;
  /** Most messages of `BULK_SIZE_BYTES` that may be under way to a reader that has stopped. */
  readonly maxMessagesAhead: number;
  open(implementation: ProbeImpl, onCall?: CallHook): Promise<BoundProbe>;
}

/** Opens the subject with these methods in place of the probe's own; closed after the test. */
export type OpenProbe = (overrides?: Partial<ProbeImpl>, onCall?: CallHook) => Promise<ProbeClient>;

/** Payload size of the tests that move a lot. */
export const BULK_SIZE_BYTES = 256 * 1024;

/** The fault that the work fails with. */
export async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isFault(error)) throw new Error('expected a Fault', { cause: error });
  return error;
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

export async function* from<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}
