/**
 * What talkmesh keeps in JetStream: every stream, bucket, subject and limit, in one place. Each process ensures
 * it at its start; that is idempotent, and what can be changed in place follows the configuration.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { Fault } from '#lib/fault/fault.ts';
import type { Bus } from './connection.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1 << 20;

export const RENDERS_STREAM = 'TALKMESH_RENDERS';
export const RENDERS_SUBJECT = 'talkmesh.renders';
export const RENDER_WORKERS = 'talkmesh_render_workers';
export const EVENTS_STREAM = 'TALKMESH_EVENTS';
export const EVENTS_SUBJECT = 'talkmesh.events';
/** Core NATS subject, then the render's id: look at the record, somebody cancelled. */
export const CANCEL_SUBJECT = 'talkmesh.cancel';
export const RECORDS_BUCKET = 'talkmesh_renders';
export const ASSETS_BUCKET = 'talkmesh_assets';
export const RESULTS_BUCKET = 'talkmesh_results';

/** Limits of one store. A message older than `maxAgeMs` is deleted by the server. */
export interface StoreLimits {
  readonly maxAgeMs?: number;
  /** Bytes on disk; what does not fit is refused with STORE_FULL. -1 leaves it to the server's own limit. */
  readonly maxBytes?: number;
}

export interface TopologyConfig {
  /** Copies of everything: 1 on a single server, 3 or 5 in a cluster. */
  readonly replicas?: 1 | 3 | 5;
  /** Waiting and running renders, as references. */
  readonly renders?: StoreLimits & {
    /** A delivery without a heartbeat for this long goes to another worker. */
    readonly ackWaitMs?: number;
    /** Renders in the hands of workers at once, over the whole mesh. */
    readonly maxRunning?: number;
  };
  /** Render records and idempotency keys. */
  readonly records?: StoreLimits;
  /** Progress of renders. When full, the oldest events go: they can be missed, records cannot. */
  readonly events?: StoreLimits & {
    /** Events kept of one render. */
    readonly maxPerRender?: number;
  };
  /** Uploaded faces and voices. */
  readonly assets?: StoreLimits;
  /** Videos, segment checkpoints and landmark tracks. */
  readonly results?: StoreLimits;
}

export const TOPOLOGY_DEFAULTS = {
  replicas: 1,
  renders: { maxAgeMs: 7 * DAY_MS, maxBytes: 64 * MIB, ackWaitMs: 15_000, maxRunning: 1_000 },
  records: { maxAgeMs: 7 * DAY_MS, maxBytes: 128 * MIB },
  events: { maxAgeMs: 2 * DAY_MS, maxBytes: 128 * MIB, maxPerRender: 500 },
  assets: { maxAgeMs: 7 * DAY_MS, maxBytes: -1 },
  results: { maxAgeMs: 7 * DAY_MS, maxBytes: -1 },
} as const satisfies TopologyConfig;

export const kvStream = (bucket: string): string => `KV_${bucket}`;
export const kvSubject = (bucket: string, key: string): string => `$KV.${bucket}.${key}`;
export const objectStream = (bucket: string): string => `OBJ_${bucket}`;

type StreamPlan = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** Fields that the server changes in place. The others are fixed when a stream is made. */
const CHANGEABLE = [
  'subjects',
  'max_age',
  'max_bytes',
  'max_msgs_per_subject',
  'discard',
  'num_replicas',
] as const;
const FIXED = ['retention', 'storage'] as const;

function streamPlans(config: TopologyConfig): StreamPlan[] {
  const { renders, records, events, assets, results } = TOPOLOGY_DEFAULTS;
  const common = {
    storage: StorageType.File,
    num_replicas: config.replicas ?? TOPOLOGY_DEFAULTS.replicas,
    duplicate_window: nanos(120_000),
  };
  const limits = (defaults: Required<StoreLimits>, given: StoreLimits | undefined) => ({
    max_age: nanos(given?.maxAgeMs ?? defaults.maxAgeMs),
    max_bytes: given?.maxBytes ?? defaults.maxBytes,
  });
  const objectStore = (
    bucket: string,
    defaults: Required<StoreLimits>,
    given: StoreLimits | undefined,
  ): StreamPlan => ({
    ...common,
    ...limits(defaults, given),
    name: objectStream(bucket),
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: true,
    allow_direct: true,
  });
  return [
    {
      ...common,
      ...limits(renders, config.renders),
      name: RENDERS_STREAM,
      subjects: [`${RENDERS_SUBJECT}.*.*`],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
    },
    {
      ...common,
      ...limits(records, config.records),
      name: kvStream(RECORDS_BUCKET),
      subjects: [kvSubject(RECORDS_BUCKET, '>')],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      deny_delete: true,
      allow_rollup_hdrs: true,
      // Records are read from the leader: a follower may not have the revision that was just written.
      allow_direct: false,
    },
    {
      ...common,
      ...limits(events, config.events),
      name: EVENTS_STREAM,
      subjects: [`${EVENTS_SUBJECT}.*.*`],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_msgs_per_subject: config.events?.maxPerRender ?? events.maxPerRender,
      allow_direct: true,
    },
    objectStore(ASSETS_BUCKET, assets, config.assets),
    objectStore(RESULTS_BUCKET, results, config.results),
  ];
}

/**
 * Creates what is missing and changes what differs.
 *
 * @throws Fault BUS_TOPOLOGY_CONFLICT when a stream of that name exists and cannot be made to fit, STORE_FULL
 *   when the server's store is smaller than the limits ask for
 */
export async function ensureTopology(bus: Bus, config: TopologyConfig = {}): Promise<void> {
  for (const plan of streamPlans(config)) await ensureStream(bus, plan);
  await ensureWorkers(bus, config);
}

async function ensureStream(bus: Bus, plan: StreamPlan): Promise<void> {
  const { streams } = bus.manager;
  const current = await bus.call(`looking for stream ${plan.name}`, () =>
    findOrUndefined(() => streams.info(plan.name)),
  );
  if (current === undefined) {
    await bus.call(`creating stream ${plan.name}`, () => streams.add(plan));
    return;
  }
  for (const field of FIXED) {
    if (current.config[field] !== plan[field]) throw conflict(plan.name, field);
  }
  if (CHANGEABLE.some((field) => !same(current.config[field], plan[field]))) {
    const changes = Object.fromEntries(
      CHANGEABLE.map((field) => [field, plan[field] ?? current.config[field]]),
    );
    await bus.call(`changing stream ${plan.name}`, () => streams.update(plan.name, changes));
  }
}

async function ensureWorkers(bus: Bus, config: TopologyConfig): Promise<void> {
  const { consumers } = bus.manager;
  const defaults = TOPOLOGY_DEFAULTS.renders;
  const changeable = {
    ack_wait: nanos(config.renders?.ackWaitMs ?? defaults.ackWaitMs),
    max_ack_pending: config.renders?.maxRunning ?? defaults.maxRunning,
  };
  const plan: Partial<ConsumerConfig> = {
    durable_name: RENDER_WORKERS,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    // Attempts are counted in the record, by what became of them: a render that waits for a free denoiser or
    // whose worker was shut down is delivered again without being closer to its end.
    max_deliver: -1,
    ...changeable,
  };
  const current = await bus.call('looking for the render workers', () =>
    findOrUndefined(() => consumers.info(RENDERS_STREAM, RENDER_WORKERS)),
  );
  if (current === undefined) {
    await bus.call('creating the render workers', () => consumers.add(RENDERS_STREAM, plan));
  } else if (
    current.config.ack_wait !== changeable.ack_wait ||
    current.config.max_ack_pending !== changeable.max_ack_pending
  ) {
    await bus.call('changing the render workers', () =>
      consumers.update(RENDERS_STREAM, RENDER_WORKERS, changeable),
    );
  }
}

async function findOrUndefined<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    const { api_error } = error as { api_error?: { code: number } };
    if (api_error?.code === 404) return undefined;
    throw error;
  }
}

function same(a: unknown, b: unknown): boolean {
  return b === undefined || JSON.stringify(a) === JSON.stringify(b);
}

function conflict(stream: string, field: string): Fault {
  return new Fault(
    'precondition',
    'BUS_TOPOLOGY_CONFLICT',
    `stream ${stream} exists with another ${field}; use another NATS account or delete the stream`,
    { metadata: { stream, field } },
  );
}
