/** Retrying of unary calls (AIP-194): only UNAVAILABLE, a bounded number of times, with backoff and jitter. */
import type { Fault } from '#lib/fault/fault.ts';
import { toFault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';

export interface RetryPolicy {
  /** Attempts in all; 1 turns retrying off. One hop of a call chain should retry, not each. */
  readonly maxAttempts: number;
  /** Pause before the second attempt, in milliseconds; doubled for each further one. */
  readonly baseDelayMs: number;
  /** Longest pause, in milliseconds. A longer wait that the server asks for ends the retrying. */
  readonly maxDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 3, baseDelayMs: 100, maxDelayMs: 2_000 };

/**
 * The result of `attempt`, tried again while it fails with an unavailable fault and the pause ends before the
 * deadline. The pause is drawn from the upper half of the backoff interval, and is never shorter than what the
 * fault asks for. Throws the fault of the last attempt.
 *
 * @param deadlineMs epoch milliseconds.
 */
export async function retryUnavailable<T>(
  attempt: () => Promise<T>,
  policy: RetryPolicy,
  deadlineMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let attemptCount = 1; ; attemptCount++) {
    try {
      return await attempt();
    } catch (error) {
      const fault = toFault(error);
      const delayMs = delayBefore(attemptCount, fault, policy);
      if (delayMs === undefined) throw fault;
      if (deadlineMs !== undefined && Date.now() + delayMs >= deadlineMs) throw fault;
      await sleep(delayMs, signal);
    }
  }
}

function delayBefore(attemptCount: number, fault: Fault, policy: RetryPolicy): number | undefined {
  if (fault.kind !== 'unavailable' || attemptCount >= policy.maxAttempts) return undefined;
  const askedMs = fault.retryAfterMs ?? 0;
  if (askedMs > policy.maxDelayMs) return undefined;
  const ceilingMs = Math.min(policy.baseDelayMs * 2 ** (attemptCount - 1), policy.maxDelayMs);
  return Math.max(askedMs, ceilingMs * (0.5 + Math.random() / 2));
}
