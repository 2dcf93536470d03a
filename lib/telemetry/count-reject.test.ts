import { expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { countReject } from './count-reject.ts';
import { createMetrics } from './metrics.ts';

it('countReject() counts a fault once, however many boundaries report it, and no cancellation', async () => {
  const metrics = createMetrics({ processMetrics: false });
  const fault = new Fault('saturated', 'STREAMS_EXHAUSTED', 'all are taken');
  countReject(metrics, fault);
  countReject(metrics, fault);
  countReject(metrics, new Fault('saturated', 'STREAMS_EXHAUSTED', 'all are taken'));
  countReject(metrics, new Fault('cancelled', 'CALLER_CANCELLED', 'gone'));
  countReject(metrics, new Error('a defect'));
  const lines = (await metrics.text())
    .split('\n')
    .filter((line) => line.startsWith('talkmesh_rejects_total{'));
  expect(lines).toEqual([
    'talkmesh_rejects_total{reason="STREAMS_EXHAUSTED"} 2',
    'talkmesh_rejects_total{reason="UNEXPECTED"} 1',
  ]);
});
