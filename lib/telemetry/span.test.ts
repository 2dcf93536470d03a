import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { withSpan, withStreamSpan } from './span.ts';
import { continueTrace, currentTraceId, traceHeaders } from './trace-context.ts';
import { startTracing, type Tracing } from './tracing.ts';

interface ExportedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

/** The part of an OpenTelemetry collector that a test needs: it keeps what is posted to it. */
class Collector {
  readonly bodies: string[] = [];
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      this.bodies.push(body);
      response.end('{}');
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`;
  }

  spans(): ExportedSpan[] {
    return this.bodies.flatMap((body) =>
      JSON.parse(body).resourceSpans.flatMap((resource: { scopeSpans: { spans: ExportedSpan[] }[] }) =>
        resource.scopeSpans.flatMap((scope) => scope.spans),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const failures: unknown[] = [];
const NAMES = {
  serviceName: 'talkmesh',
  serviceVersion: '1.2.3',
  onExportFailure: (error: unknown) => void failures.push(error),
};

async function* count(to: number): AsyncGenerator<number> {
  for (let i = 0; i < to; i++) {
    await sleep(1);
    yield i;
  }
}

describe('spans without an exporter', () => {
  let tracing: Tracing;
  beforeEach(async () => {
    tracing = await startTracing({ otlpTracesUrl: undefined, ...NAMES });
  });
  afterEach(() => tracing.close());

  it('still give one request one trace id, marked as not sampled', async () => {
    await withSpan('outer', {}, async (outer) => {
      expect(outer.traceId).toMatch(/^[0-9a-f]{32}$/);
      await sleep(1);
      expect(currentTraceId()).toBe(outer.traceId);
      await withSpan('inner', {}, (inner) => expect(inner.traceId).toBe(outer.traceId));
      expect(traceHeaders().traceparent).toMatch(new RegExp(`^00-${outer.traceId}-[0-9a-f]{16}-00$`));
    });
    expect(currentTraceId()).toBeUndefined();
  });

  it('give two requests two trace ids', async () => {
    const ids = await Promise.all([1, 2].map(() => withSpan('request', {}, ({ traceId }) => traceId)));
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('refuses to start twice in one process', async () => {
    await expect(startTracing({ otlpTracesUrl: undefined, ...NAMES })).rejects.toMatchObject({
      reason: 'TRACING_STARTED_TWICE',
    });
  });
});

describe('spans with an exporter', () => {
  let collector: Collector;
  let tracing: Tracing;
  beforeEach(async () => {
    collector = new Collector();
    tracing = await startTracing({ otlpTracesUrl: await collector.start(), ...NAMES });
  });
  afterEach(async () => {
    await tracing.close();
    await collector.stop();
  });

  it('form one trace across processes: the consumer is a child of the producer', async () => {
    const headers = await withSpan('gateway.submit', { bundle: 'f8-512' }, traceHeaders, 'producer');
    await continueTrace(
      (name) => headers[name],
      () => withSpan('compositor.render', {}, () => undefined, 'consumer'),
    );
    await tracing.close();
    const [producer, consumer] = collector.spans() as [ExportedSpan, ExportedSpan];
    expect(producer).toMatchObject({ name: 'gateway.submit', kind: 4 });
    expect(consumer).toMatchObject({ name: 'compositor.render', kind: 5, parentSpanId: producer.spanId });
    expect(consumer.traceId).toBe(producer.traceId);
    expect(producer.attributes).toContainEqual({ key: 'bundle', value: { stringValue: 'f8-512' } });
    expect(collector.bodies.join()).toContain('"service.version"');
  });

  it('record a failure by its reason only, since messages may hold personal data', async () => {
    const secret = new Error('cannot read /home/ada/face.mp4');
    await expect(withSpan('media.open', {}, () => Promise.reject(secret))).rejects.toBe(secret);
    await tracing.close();
    expect(collector.spans()[0]?.status).toEqual({ code: 2, message: 'UNEXPECTED' });
    expect(collector.bodies.join()).not.toContain('ada');
  });

  it('do not count a cancellation as an error', async () => {
    const cancelled = new Fault('cancelled', 'CALLER_CANCELLED', 'the caller cancelled');
    await expect(withSpan('render', {}, () => Promise.reject(cancelled))).rejects.toBe(cancelled);
    await tracing.close();
    expect(collector.spans()[0]?.status.code ?? 0).toBe(0);
    expect(collector.spans()[0]?.attributes).toContainEqual({
      key: 'error.type',
      value: { stringValue: 'CALLER_CANCELLED' },
    });
  });

  it('cut long text attributes, so that no payload travels in one', async () => {
    await withSpan('long', { text: 'x'.repeat(1000) }, () => undefined);
    await tracing.close();
    expect(collector.spans()[0]?.attributes[0]?.value).toEqual({ stringValue: 'x'.repeat(256) });
  });

  it('cover a stream: work inside each pull is a child, and the consumer stays outside', async () => {
    const stream = withStreamSpan('audio.encode', {}, async function* (span) {
      for await (const i of count(2)) {
        await withSpan('audio.window', {}, () => undefined);
        yield i;
      }
      span.set({ windows: 2 });
    });
    for await (const _ of stream) expect(currentTraceId()).toBeUndefined();
    await tracing.close();
    const spans = collector.spans();
    const outer = spans.find(({ name }) => name === 'audio.encode');
    const inner = spans.filter(({ name }) => name === 'audio.window');
    expect(inner).toHaveLength(2);
    for (const span of inner) expect(span.parentSpanId).toBe(outer?.spanId);
    expect(outer?.attributes).toContainEqual({ key: 'windows', value: { intValue: 2 } });
  });

  it('end with a stream that is left early, after its clean-up ran inside the span', async () => {
    let cleanedIn: string | undefined;
    let traceId: string | undefined;
    const stream = withStreamSpan('frames', {}, async function* (span) {
      traceId = span.traceId;
      try {
        yield* count(100);
      } finally {
        cleanedIn = currentTraceId();
      }
    });
    for await (const i of stream) if (i === 1) break;
    await tracing.close();
    expect(cleanedIn).toBe(traceId);
    expect(collector.spans()).toHaveLength(1);
  });

  it('end with a stream that fails, and record why', async () => {
    const fault = new Fault('corrupt', 'CHECKSUM_MISMATCH', 'the graph is damaged');
    const stream = withStreamSpan('frames', {}, async function* () {
      yield* count(1);
      throw fault;
    });
    await expect(Array.fromAsync(stream)).rejects.toBe(fault);
    await tracing.close();
    expect(collector.spans()[0]?.status).toEqual({ code: 2, message: 'CHECKSUM_MISMATCH' });
  });
});

describe('a collector that is gone', () => {
  it('fails neither the work nor the shutdown, and is reported', async () => {
    const collector = new Collector();
    const url = await collector.start();
    await collector.stop();
    const tracing = await startTracing({ otlpTracesUrl: url, exportTimeoutMs: 500, ...NAMES });
    await expect(withSpan('work', {}, () => 42)).resolves.toBe(42);
    await expect(tracing.close()).resolves.toBeUndefined();
    expect(failures).toEqual([expect.objectContaining({ code: 'ECONNREFUSED' })]);
  });
});
