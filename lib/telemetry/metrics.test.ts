import { describe, expect, it } from 'vitest';
import { METRICS } from './metric-names.ts';
import { createMetrics } from './metrics.ts';

async function linesOf(metrics: ReturnType<typeof createMetrics>, name: string): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(name));
}

describe('createMetrics()', () => {
  it('exports counters, gauges and histograms in Prometheus text', async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics.count('talkmesh_rejects_total', { reason: 'QUEUE_FULL' });
    metrics.count('talkmesh_rejects_total', { reason: 'QUEUE_FULL' }, 2);
    metrics.set('talkmesh_queue_depth', {}, 4);
    metrics.add('talkmesh_active_streams', { stage: 'denoise', class: 'live' }, 2);
    metrics.add('talkmesh_active_streams', { stage: 'denoise', class: 'live' }, -1);
    metrics.observe('talkmesh_batch_size', { graph: 'denoiser' }, 3);
    expect(await linesOf(metrics, 'talkmesh_rejects_total')).toEqual([
      'talkmesh_rejects_total{reason="QUEUE_FULL"} 3',
    ]);
    expect(await linesOf(metrics, 'talkmesh_queue_depth')).toEqual(['talkmesh_queue_depth 4']);
    expect(await linesOf(metrics, 'talkmesh_active_streams')).toEqual([
      'talkmesh_active_streams{stage="denoise",class="live"} 1',
    ]);
    const buckets = await linesOf(metrics, 'talkmesh_batch_size');
    expect(buckets).toContain('talkmesh_batch_size_bucket{le="2",graph="denoiser"} 0');
    expect(buckets).toContain('talkmesh_batch_size_bucket{le="3",graph="denoiser"} 1');
    expect(buckets).toContain('talkmesh_batch_size_sum{graph="denoiser"} 3');
    expect(metrics.contentType).toMatch(/^text\/plain/);
  });

  it('declares every metric with its help, used or not', async () => {
    const text = await createMetrics({ processMetrics: false }).text();
    for (const [name, { help, kind }] of Object.entries(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}`);
    }
  });

  it('keeps two registries apart, so that two meshes can live in one process', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.count('talkmesh_frames_total', { stage: 'blend' });
    expect(await linesOf(other, 'talkmesh_frames_total')).toEqual([]);
  });

  it('exports the event-loop delay of the process', async () => {
    expect(await linesOf(createMetrics(), 'nodejs_eventloop_lag_p99_seconds')).toHaveLength(1);
  });

  it('reads before each scrape, and counts a reading that fails', async () => {
    const metrics = createMetrics({ processMetrics: false });
    let depth = 0;
    metrics.beforeScrape(async () => metrics.set('talkmesh_queue_depth', {}, ++depth));
    metrics.beforeScrape(() => Promise.reject(new Error('the bus is gone')));
    expect(await linesOf(metrics, 'talkmesh_queue_depth')).toEqual(['talkmesh_queue_depth 1']);
    expect(await linesOf(metrics, 'talkmesh_queue_depth')).toEqual(['talkmesh_queue_depth 2']);
    expect(await linesOf(metrics, 'talkmesh_scrape_failures_total')).toEqual([
      'talkmesh_scrape_failures_total 3',
    ]);
  });

  it('refuses what would poison a sum, and counters that go down', () => {
    const metrics = createMetrics({ processMetrics: false });
    expect(() => metrics.observe('talkmesh_stage_seconds', { stage: 'mux' }, Number.NaN)).toThrow(
      expect.objectContaining({ reason: 'METRIC_NOT_FINITE' }),
    );
    expect(() => metrics.count('talkmesh_frames_total', { stage: 'mux' }, -1)).toThrow();
  });
});

describe('METRICS', () => {
  it('follows the naming rules of Prometheus', () => {
    for (const [name, definition] of Object.entries(METRICS)) {
      expect(name).toMatch(/^talkmesh_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(definition.kind === 'counter');
      expect(definition.help).toMatch(/^[A-Z].*\.$/);
      if (definition.kind === 'histogram') {
        expect([...definition.buckets]).toEqual([...definition.buckets].sort((a, b) => a - b));
      }
    }
  });
});
