/**
 * Spans around work. Without an exporter they cost some two microseconds and record nothing, but the first
 * one still draws a trace id, so that log lines and errors of one request can be found in every process.
 */
import { randomBytes } from 'node:crypto';
import {
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { toFault } from '#lib/fault/fault.ts';

/** Small facts about the work: counts, names of bundles and stages. Never anything of a face or a voice. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** What the work inside a span may add to it. */
export interface ActiveSpan {
  readonly traceId: string;
  set(attributes: SpanAttributes): void;
}

export type SpanRole = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

const KINDS: Readonly<Record<SpanRole, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

const TRACER_NAME = 'talkmesh';

/** For work whose end is no promise; whoever starts a span ends it. */
export function startSpan(name: string, attributes: SpanAttributes, role: SpanRole, parent: Context): Span {
  const span = trace.getTracer(TRACER_NAME).startSpan(name, { kind: KINDS[role], attributes }, parent);
  if (trace.isSpanContextValid(span.spanContext())) return span;
  // No exporter is configured and no trace is active: begin one that is named but not recorded.
  return trace.wrapSpanContext({
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    traceFlags: TraceFlags.NONE,
  });
}

/** A failure is its reason: messages of foreign errors may name files, so they stay in the log. */
export function recordFailure(span: Span, error: unknown): void {
  const fault = toFault(error);
  span.setAttribute('error.type', fault.reason);
  if (fault.kind !== 'cancelled') span.setStatus({ code: SpanStatusCode.ERROR, message: fault.reason });
}

function handle(span: Span): ActiveSpan {
  return {
    traceId: span.spanContext().traceId,
    set: (attributes) => {
      span.setAttributes(attributes);
    },
  };
}

/**
 * Runs `work` inside a span, which ends when the work does. A failure is recorded by its reason and thrown on.
 *
 * @param name low-cardinality, "room.action", such as "denoiser.step".
 */
export async function withSpan<T>(
  name: string,
  attributes: SpanAttributes,
  work: (span: ActiveSpan) => T | Promise<T>,
  role: SpanRole = 'internal',
): Promise<T> {
  const parent = context.active();
  const span = startSpan(name, attributes, role, parent);
  try {
    return await context.with(trace.setSpan(parent, span), () => work(handle(span)));
  } catch (error) {
    recordFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * The same for a stream: the span begins with the first pull and ends with the stream, whichever way it is left.
 * The body of an async generator runs in its puller's context, so each pull is moved into the span.
 */
export async function* withStreamSpan<T>(
  name: string,
  attributes: SpanAttributes,
  open: (span: ActiveSpan) => AsyncIterable<T>,
  role: SpanRole = 'internal',
): AsyncGenerator<T> {
  const parent = context.active();
  const span = startSpan(name, attributes, role, parent);
  const inside = trace.setSpan(parent, span);
  let iterator: AsyncIterator<T> | undefined;
  let ended = false;
  try {
    const opened = context.with(inside, () => open(handle(span))[Symbol.asyncIterator]());
    iterator = opened;
    for (;;) {
      const item = await context.with(inside, () => opened.next());
      if (item.done === true) {
        ended = true;
        return;
      }
      yield item.value;
    }
  } catch (error) {
    ended = true;
    recordFailure(span, error);
    throw error;
  } finally {
    try {
      const left = iterator;
      if (!ended) await context.with(inside, () => left?.return?.());
    } finally {
      span.end();
    }
  }
}
