/** Where spans go: nowhere, or to an OpenTelemetry collector. Called once per process, by mesh. */
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { SpanExporter } from '@opentelemetry/sdk-trace-node';
import { Fault } from '#lib/fault/fault.ts';

export interface TracingConfig {
  /** OTLP/HTTP traces endpoint, such as http://collector:4318/v1/traces; undefined: spans are not recorded. */
  readonly otlpTracesUrl: string | undefined;
  /** Headers of each export, such as the collector's authorisation. */
  readonly otlpHeaders?: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Share of traces recorded, 0 to 1, decided where a request enters the mesh. Default 1. */
  readonly sampleRatio?: number;
  /** Longest time for one export, milliseconds. Default 10,000. */
  readonly exportTimeoutMs?: number;
  /** Told of each export that failed, whose spans are lost. The mesh itself is not disturbed by one. */
  readonly onExportFailure: (error: unknown) => void;
}

export interface Tracing {
  readonly exporting: boolean;
  /** Sends what is buffered and lets go of the process's tracer. A collector that is gone is no failure. */
  close(): Promise<void>;
}

/** Longest text in a span attribute, so that no payload travels in one. */
const MAX_ATTRIBUTE_CHARACTERS = 256;

interface SpanSink {
  shutdown(): Promise<void>;
}

/** The exporter with its failures reported; the SDK by itself tells nobody. */
function reportingFailures(exporter: SpanExporter, report: (error: unknown) => void): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined) report(result.error);
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}

/** The SDK is loaded only when it has somewhere to send spans: it takes some 100 ms and 20 MB. */
async function startExport(
  config: TracingConfig,
  url: string,
  report: (error: unknown) => void,
): Promise<SpanSink> {
  const [sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...config.otlpHeaders },
    timeoutMillis: config.exportTimeoutMs ?? 10_000,
  });
  const provider = new sdk.NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': config.serviceName,
      'service.version': config.serviceVersion,
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(config.sampleRatio ?? 1) }),
    spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_CHARACTERS },
    spanProcessors: [new sdk.BatchSpanProcessor(reportingFailures(exporter, report))],
  });
  trace.setGlobalTracerProvider(provider);
  return provider;
}

/**
 * Makes trace context follow asynchronous calls in this process and, when an endpoint is given, records spans.
 *
 * @throws Fault internal/TRACING_STARTED_TWICE while an earlier one is not closed.
 */
export async function startTracing(config: TracingConfig): Promise<Tracing> {
  if (!context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())) {
    throw new Fault('internal', 'TRACING_STARTED_TWICE', 'tracing is already started in this process');
  }
  let lastFailure: unknown;
  const report = (error: unknown): void => {
    // The flush of a shutdown fails with the error of its export, which was reported already.
    if (error !== lastFailure) config.onExportFailure(error);
    lastFailure = error;
  };
  const url = config.otlpTracesUrl;
  const sink = url === undefined ? undefined : await startExport(config, url, report);
  return {
    exporting: sink !== undefined,
    async close() {
      await sink?.shutdown().catch(report);
      trace.disable();
      context.disable();
    },
  };
}
