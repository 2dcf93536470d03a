/** Spans and metrics of RPCs: the same trace and the same figures, whether a call crosses a wire or not. */
import { context, trace } from '@opentelemetry/api';
import type { CallHook } from '#lib/rpc/call-hook.ts';
import { countReject } from './count-reject.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { recordFailure, startSpan } from './span.ts';
import { continueTrace, traceHeaders } from './trace-context.ts';

const ROLES = { serve: 'server', connect: 'client', local: 'internal' } as const;

/**
 * Each call has a span. A served one continues the trace of its metadata; a made one hands its own on. Calls are
 * counted where they are served, or made without a wire, so that each counts once; there, what should never happen
 * is logged with its cause.
 */
export function createRpcTelemetry(metrics: Metrics, log: Logger): CallHook {
  return ({ binding, service, method, metadata }) => {
    const startedAt = performance.now();
    const name = `${service}/${method}`;
    const parent =
      binding === 'serve'
        ? continueTrace(
            (header) => metadata.get(header),
            () => context.active(),
          )
        : context.active();
    const span = startSpan(name, { 'rpc.system': 'grpc' }, ROLES[binding], parent);
    const inside = trace.setSpan(parent, span);
    if (binding !== 'serve') {
      const headers = context.with(inside, traceHeaders);
      for (const [header, value] of Object.entries(headers)) metadata.set(header, value);
    }
    return {
      run: (step) => context.with(inside, step),
      onEnd(fault) {
        if (fault !== undefined) recordFailure(span, fault);
        span.end();
        if (binding === 'connect') return;
        const status = fault === undefined ? 'ok' : fault.kind;
        metrics.observe(
          'talkmesh_rpc_seconds',
          { method: name, status },
          (performance.now() - startedAt) / 1000,
        );
        if (fault?.kind === 'internal') log.error('a call failed', { method: name, error: fault });
        if (fault !== undefined) countReject(metrics, fault);
      },
    };
  };
}
