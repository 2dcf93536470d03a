/** From a caller's options to what a call needs, and from a served call to the calls it makes. */
import { Fault, invalidField } from '#lib/fault/fault.ts';
import type { CallContext, CallOptions } from './service-types.ts';

/** Longest timeout, in milliseconds: what the runtimes' timers can hold (about 24.8 days). */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The absolute deadline of a call that starts now, in epoch milliseconds. Throws DEADLINE_EXCEEDED when no time
 * is left, and TIMEOUT_INVALID for what is not a time.
 */
export function deadlineOf(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined) return undefined;
  if (Number.isNaN(timeoutMs) || timeoutMs > MAX_TIMEOUT_MS) {
    throw invalidField('TIMEOUT_INVALID', 'timeoutMs', `${timeoutMs} is not within 1 to ${MAX_TIMEOUT_MS}`);
  }
  if (timeoutMs <= 0) throw new Fault('late', 'DEADLINE_EXCEEDED', 'the deadline passed');
  return Date.now() + timeoutMs;
}

/**
 * Options for a call made on behalf of one that is being served: it ends when that one is cancelled, and by the
 * same deadline.
 *
 * @param forward names of metadata entries to pass on. Trace context is telemetry's to add.
 */
export function downstream(context: CallContext, forward: readonly string[] = []): CallOptions {
  const metadata: Record<string, string> = {};
  for (const name of forward) {
    const value = context.metadata.get(name);
    if (value !== undefined) metadata[name] = value;
  }
  return {
    signal: context.signal,
    ...(context.deadlineMs === undefined ? {} : { timeoutMs: context.deadlineMs - Date.now() }),
    metadata,
  };
}
