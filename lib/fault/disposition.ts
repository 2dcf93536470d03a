/** Faults on the bus: what becomes of a JetStream message whose work failed. */
import type { Fault } from './fault.ts';
import { FAULT_KINDS } from './kinds.ts';

export type Disposition =
  /** Deliver again, not before `delayMs`. */
  | { readonly action: 'nak'; readonly delayMs: number }
  /** Never deliver again; the reason goes to the server's advisory. */
  | { readonly action: 'term'; readonly reason: string };

export interface NakBackoff {
  /** Delay after the first failed delivery, in milliseconds. */
  readonly baseMs: number;
  /** Longest delay, in milliseconds. */
  readonly maxMs: number;
}

export const DEFAULT_NAK_BACKOFF: NakBackoff = { baseMs: 1_000, maxMs: 60_000 };

/**
 * What to answer for a failed delivery. The delay is what the fault asks for, else it doubles with each
 * delivery. How many deliveries there are is bounded by the consumer, not here.
 *
 * @param deliveryCount 1 for the first delivery.
 */
export function dispositionOf(
  fault: Fault,
  deliveryCount: number,
  backoff: NakBackoff = DEFAULT_NAK_BACKOFF,
): Disposition {
  if (FAULT_KINDS[fault.kind].bus === 'term') return { action: 'term', reason: fault.reason };
  const doubled = backoff.baseMs * 2 ** Math.min(Math.max(deliveryCount, 1) - 1, 30);
  const delayMs = fault.retryAfterMs ?? Math.min(doubled, backoff.maxMs);
  return { action: 'nak', delayMs };
}
