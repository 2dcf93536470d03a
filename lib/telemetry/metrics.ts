/**
 * The metrics of a process. METRICS is the whole list: a name, what it means, its labels and its buckets. Rooms
 * are given `Metrics` and can write only what is listed, with exactly the labels that are listed.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Fault } from '#lib/fault/fault.ts';
import { METRICS, type MetricName } from './metric-names.ts';

type Kind<N extends MetricName> = (typeof METRICS)[N]['kind'];
type NamesOf<K> = { [N in MetricName]: Kind<N> extends K ? N : never }[MetricName];

export type CounterName = NamesOf<'counter'>;
export type GaugeName = NamesOf<'gauge'>;
export type HistogramName = NamesOf<'histogram'>;

/** Exactly the labels that METRICS lists for a name. Values are few and stable; never ids, never personal data. */
export type LabelsOf<N extends MetricName> = Readonly<Record<(typeof METRICS)[N]['labels'][number], string>>;

/** What rooms write to. */
export interface Metrics {
  /** Adds `value` (default 1, at least 0) to a counter. */
  count<N extends CounterName>(name: N, labels: LabelsOf<N>, value?: number): void;
  /** Records one value, in the unit that the name ends in. */
  observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, value: number): void;
  /** Sets a gauge. */
  set<N extends GaugeName>(name: N, labels: LabelsOf<N>, value: number): void;
  /** Adds `delta`, which may be negative, to a gauge. */
  add<N extends GaugeName>(name: N, labels: LabelsOf<N>, delta: number): void;
  /** Calls `read` at each scrape, for a gauge whose value lives elsewhere, such as a queue's depth. */
  beforeScrape(read: () => void | Promise<void>): void;
}

export interface MetricsRegistry extends Metrics {
  /** Value of the Content-Type header of `text()`. */
  readonly contentType: string;
  /** Every metric in Prometheus' text format, after every `beforeScrape`. */
  text(): Promise<string>;
}

export interface MetricsConfig {
  /** Whether to export the process itself, too: CPU, memory, event-loop delay. Default true. */
  readonly processMetrics?: boolean;
}

interface Instruments {
  readonly counter: Map<string, Counter>;
  readonly gauge: Map<string, Gauge>;
  readonly histogram: Map<string, Histogram>;
}

function register(registry: Registry): Instruments {
  const instruments: Instruments = { counter: new Map(), gauge: new Map(), histogram: new Map() };
  for (const [name, definition] of Object.entries(METRICS)) {
    const common = { name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
    if (definition.kind === 'counter') instruments.counter.set(name, new Counter(common));
    else if (definition.kind === 'gauge') instruments.gauge.set(name, new Gauge(common));
    else instruments.histogram.set(name, new Histogram({ ...common, buckets: [...definition.buckets] }));
  }
  return instruments;
}

/** A process has one; every room that it runs writes to it. */
export function createMetrics(config: MetricsConfig = {}): MetricsRegistry {
  const registry = new Registry();
  const { counter, gauge, histogram } = register(registry);
  const readings: (() => void | Promise<void>)[] = [];
  if (config.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const metrics: MetricsRegistry = {
    contentType: registry.contentType,
    count(name, labels, value = 1) {
      counter.get(name)!.inc(labels, value);
    },
    observe(name, labels, value) {
      if (!Number.isFinite(value)) {
        throw new Fault('internal', 'METRIC_NOT_FINITE', `${name}: ${value} is not a finite number`);
      }
      histogram.get(name)!.observe(labels, value);
    },
    set(name, labels, value) {
      gauge.get(name)!.set(labels, value);
    },
    add(name, labels, delta) {
      gauge.get(name)!.inc(labels, delta);
    },
    beforeScrape(read) {
      readings.push(read);
    },
    async text() {
      const outcomes = await Promise.allSettled(readings.map(async (read) => read()));
      const failures = outcomes.filter(({ status }) => status === 'rejected').length;
      if (failures > 0) metrics.count('talkmesh_scrape_failures_total', {}, failures);
      return registry.metrics();
    },
  };
  return metrics;
}
