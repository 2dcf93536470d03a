import { type Fault, toFault } from '#lib/fault/fault.ts';
import type { Metrics } from './metrics.ts';

const counted = new WeakSet<Fault>();

/**
 * Counts a refusal by its reason. A fault passes several boundaries on its way to the caller, each of which may
 * report it: it counts once. What the caller cancelled was not refused.
 */
export function countReject(metrics: Metrics, error: unknown): void {
  const fault = toFault(error);
  if (fault.kind === 'cancelled' || counted.has(fault)) return;
  counted.add(fault);
  metrics.count('talkmesh_rejects_total', { reason: fault.reason });
}
