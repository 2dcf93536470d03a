import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withSpan } from './span.ts';
import { continueTrace, currentTraceId, traceHeaders } from './trace-context.ts';
import { startTracing, type Tracing } from './tracing.ts';

const OFF = {
  otlpTracesUrl: undefined,
  serviceName: 'test',
  serviceVersion: '0',
  onExportFailure: () => undefined,
};
// The example of https://www.w3.org/TR/trace-context/#traceparent-header-field-values
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

let tracing: Tracing;
beforeEach(async () => {
  tracing = await startTracing(OFF);
});
afterEach(() => tracing.close());

function received(headers: Record<string, string>): (name: string) => string | undefined {
  return (name) => headers[name];
}

describe('trace context', () => {
  it('continues a received trace and passes it on, sampled flag and vendor state included', () => {
    const headers = { traceparent: TRACEPARENT, tracestate: 'vendor=value' };
    const sent = continueTrace(received(headers), () => ({ id: currentTraceId(), headers: traceHeaders() }));
    expect(sent).toEqual({ id: TRACE_ID, headers });
  });

  it.each([
    ['nothing', {}],
    ['an empty header', { traceparent: '' }],
    ['a zero trace id', { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` }],
    ['a zero span id', { traceparent: `00-${TRACE_ID}-${'0'.repeat(16)}-01` }],
    ['the forbidden version', { traceparent: TRACEPARENT.replace(/^00/, 'ff') }],
    ['version 00 with a fifth field', { traceparent: `${TRACEPARENT}-more` }],
    ['upper-case digits', { traceparent: TRACEPARENT.toUpperCase() }],
  ])('starts no trace from %s', (_, headers) => {
    expect(continueTrace(received(headers), traceHeaders)).toEqual({});
  });

  it('accepts a later version with more fields', () => {
    const headers = { traceparent: `${TRACEPARENT.replace(/^00/, '01')}-more` };
    expect(continueTrace(received(headers), currentTraceId)).toBe(TRACE_ID);
  });

  it('drops vendor state beyond 512 characters and keeps the trace', () => {
    const headers = { traceparent: TRACEPARENT, tracestate: `vendor=${'x'.repeat(600)}` };
    expect(continueTrace(received(headers), traceHeaders)).toEqual({ traceparent: TRACEPARENT });
  });

  it('never throws on hostile headers, and sends on only what it parsed', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (traceparent, tracestate) => {
        const sent = continueTrace(received({ traceparent, tracestate }), traceHeaders);
        expect(sent).toEqual({});
      }),
    );
  });

  it('does not leak a trace of the caller into the continued one', async () => {
    await withSpan('outer', {}, () => {
      expect(currentTraceId()).toBeDefined();
      expect(continueTrace(received({}), currentTraceId)).toBeUndefined();
    });
  });
});
