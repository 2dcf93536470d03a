/**
 * Trace context across process boundaries, as W3C Trace Context (https://www.w3.org/TR/trace-context/): the two
 * text headers `traceparent` and `tracestate`, carried in gRPC metadata, NATS headers and HTTP headers alike.
 */
import {
  type Context,
  context,
  createTraceState,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from '@opentelemetry/api';

/** Text headers by lower-case name; what gRPC metadata, NATS headers and HTTP headers have in common. */
export type TraceHeaders = Readonly<Record<string, string>>;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const MAX_TRACESTATE_CHARACTERS = 512;

/** The headers that carry the active trace to the next process; empty when there is no trace. */
export function traceHeaders(): TraceHeaders {
  const span = trace.getSpanContext(context.active());
  if (span === undefined || !trace.isSpanContextValid(span)) return {};
  const flags = span.traceFlags.toString(16).padStart(2, '0');
  const traceparent = `00-${span.traceId}-${span.spanId}-${flags}`;
  const tracestate = span.traceState?.serialize();
  return tracestate === undefined || tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

function parse(traceparent: string, tracestate: string | undefined): SpanContext | undefined {
  const match = TRACEPARENT.exec(traceparent.trim());
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = match as unknown as string[];
  // Version ff is forbidden, and version 00 has exactly four fields; later ones may append some.
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  const state =
    tracestate === undefined || tracestate.length > MAX_TRACESTATE_CHARACTERS ? undefined : tracestate;
  const span: SpanContext = {
    traceId: traceId!,
    spanId: spanId!,
    traceFlags: Number.parseInt(flags!, 16) & 1,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  };
  return trace.isSpanContextValid(span) ? span : undefined;
}

/**
 * Calls `run` inside the trace that `read` finds in received headers. Headers that are missing or malformed
 * start no trace and are no error, as the standard asks: the caller's spans then begin a trace of their own.
 *
 * @param read returns the value of one header by its lower-case name.
 */
export function continueTrace<T>(read: (name: string) => string | null | undefined, run: () => T): T {
  return context.with(receivedContext(read), run);
}

function receivedContext(read: (name: string) => string | null | undefined): Context {
  const traceparent = read('traceparent');
  const span = traceparent ? parse(traceparent, read('tracestate') ?? undefined) : undefined;
  return span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
}

/** The active trace's id, 32 hexadecimal digits: what a log line and an error answer name. */
export function currentTraceId(): string | undefined {
  const span = trace.getSpanContext(context.active());
  return span !== undefined && trace.isSpanContextValid(span) ? span.traceId : undefined;
}
