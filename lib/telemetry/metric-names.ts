/**
 * Every metric that talkmesh exports. Names follow https://prometheus.io/docs/practices/naming/: base units, the
 * unit last, `_total` for counters. Label values come from small fixed sets.
 */
interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** From one hop of the mesh (0.5 ms) to a stage on a slow machine (10 s). */
const WORK_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
/** From a short request to a render of twenty minutes. */
const REQUEST_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1200, 3600] as const;

export const METRICS = {
  talkmesh_stage_seconds: {
    kind: 'histogram',
    help: 'Time that one unit of work took in a stage of the path: a frame, a window or a batch.',
    labels: ['stage'],
    buckets: WORK_SECONDS,
  },
  talkmesh_inference_seconds: {
    kind: 'histogram',
    help: 'Time of one run of an ONNX graph.',
    labels: ['bundle', 'graph', 'provider'],
    buckets: WORK_SECONDS,
  },
  talkmesh_batch_size: {
    kind: 'histogram',
    help: 'Rows that shared one run of an ONNX graph.',
    labels: ['graph'],
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32],
  },
  talkmesh_rpc_seconds: {
    kind: 'histogram',
    help: 'Time from the start of an RPC to its status, by method and outcome: ok or the kind of the fault.',
    labels: ['method', 'status'],
    buckets: REQUEST_SECONDS,
  },
  talkmesh_http_seconds: {
    kind: 'histogram',
    help: 'Time from the start of an HTTP request to the end of its answer, by route pattern and status.',
    labels: ['route', 'status'],
    buckets: REQUEST_SECONDS,
  },
  talkmesh_render_seconds: {
    kind: 'histogram',
    help: 'Time from the first attempt at a render to its end, by outcome: succeeded, failed or cancelled.',
    labels: ['outcome'],
    buckets: REQUEST_SECONDS,
  },
  talkmesh_live_first_fragment_seconds: {
    kind: 'histogram',
    help: 'Time from the first speech of a live session to its first media fragment.',
    labels: [],
    buckets: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5],
  },
  talkmesh_frames_total: {
    kind: 'counter',
    help: 'Frames that left a stage of the path.',
    labels: ['stage'],
  },
  talkmesh_frames_late_total: {
    kind: 'counter',
    help: 'Live frames that missed their presentation time, by what was done: degraded or dropped.',
    labels: ['action'],
  },
  talkmesh_rejects_total: {
    kind: 'counter',
    help: 'Requests and work refused, by the reason of the fault.',
    labels: ['reason'],
  },
  talkmesh_render_attempts_total: {
    kind: 'counter',
    help: 'Deliveries of renders to a worker, by what ended them: done, retried, failed or cancelled.',
    labels: ['end'],
  },
  talkmesh_asset_bytes_total: {
    kind: 'counter',
    help: 'Bytes of assets and results moved, by direction: in or out.',
    labels: ['direction'],
  },
  talkmesh_child_restarts_total: {
    kind: 'counter',
    help: 'Restarts of a supervised child process.',
    labels: ['process'],
  },
  talkmesh_scrape_failures_total: {
    kind: 'counter',
    help: 'Readings before a scrape that failed; the metrics they set are stale.',
    labels: [],
  },
  talkmesh_active_streams: {
    kind: 'gauge',
    help: 'Streams that a stage serves now, by class: live or batch.',
    labels: ['stage', 'class'],
  },
  talkmesh_stream_capacity: {
    kind: 'gauge',
    help: 'Streams that a denoiser has measured it can hold at the asked rate.',
    labels: ['bundle'],
  },
  talkmesh_queue_depth: {
    kind: 'gauge',
    help: 'Renders that wait for a worker.',
    labels: [],
  },
  talkmesh_queue_age_seconds: {
    kind: 'gauge',
    help: 'How long the oldest waiting render has waited; 0 when none waits.',
    labels: [],
  },
  talkmesh_ready: {
    kind: 'gauge',
    help: 'Whether a part of this process is ready: 1 or 0.',
    labels: ['part'],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
