/** Whether this process should be sent work: what /readyz, grpc.health.v1 and the metrics report. */
import type { Metrics } from '#lib/telemetry/metrics.ts';

export interface PartReadiness {
  readonly ready: boolean;
  /** Why it is not ready, in words for an operator: "loading bundle f8-512". */
  readonly reason?: string;
}

export interface ReadinessReport {
  /** True when every part is ready and the process is not draining. */
  readonly ready: boolean;
  readonly draining: boolean;
  readonly parts: Readonly<Record<string, PartReadiness>>;
}

export interface Readiness {
  /** Sets the state of one part. A part counts from the first time that it is named. */
  set(part: string, state: PartReadiness): void;
  /** From now on the process is not ready, whatever its parts say. There is no way back. */
  drain(): void;
  report(): ReadinessReport;
  /** Calls `listener` after each change; the result removes it. */
  onChange(listener: (report: ReadinessReport) => void): () => void;
}

/** A registry without parts is ready; so each part must be named not ready before it is started. */
export function createReadiness(metrics: Metrics): Readiness {
  const parts = new Map<string, PartReadiness>();
  const listeners = new Set<(report: ReadinessReport) => void>();
  let draining = false;

  function report(): ReadinessReport {
    const ready = !draining && [...parts.values()].every((part) => part.ready);
    return { ready, draining, parts: Object.fromEntries(parts) };
  }

  function announce(): void {
    const current = report();
    for (const listener of [...listeners]) listener(current);
  }

  return {
    report,
    set(part, state) {
      const before = parts.get(part);
      parts.set(part, state);
      metrics.set('talkmesh_ready', { part }, state.ready ? 1 : 0);
      if (before?.ready !== state.ready || before.reason !== state.reason) announce();
    },
    drain() {
      if (draining) return;
      draining = true;
      announce();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
