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

const DAY_MS = 24 * 3_600_000;
const DUPLICATE_WINDOW_MS = 120_000;

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

/**
 * How much is kept. All limits are counts of messages, as nats-server before 2.10 does not hold to a limit in bytes:
 * near it, a message that should be refused may instead push out the oldest one, silently.
 */
export interface TopologyConfig {
  /** Copies of everything: 1 on a single server, 3 or 5 in a cluster. */
  readonly replicas?: 1 | 3 | 5;
  /** Waiting and running renders, as references. */
  readonly renders?: {
    readonly maxAgeMs?: number;
    /** Renders in the queue; one more is refused with STORE_FULL. */
    readonly maxCount?: number;
    /** A delivery without a heartbeat for this long goes to another worker. */
    readonly ackWaitMs?: number;
    /** Renders in the hands of workers at once, over the whole mesh. */
    readonly maxRunning?: number;
  };
  /** Render records and idempotency keys. */
  readonly records?: {
    /** Since the last change. */
    readonly maxAgeMs?: number;
    /** Records and keys together; one more is refused with STORE_FULL. */
    readonly maxCount?: number;
  };
  /** Progress of renders. When full, the oldest events go: they can be missed, records cannot. */
  readonly events?: {
    readonly maxAgeMs?: number;
    readonly maxCount?: number;
    /** Events kept of one render. */
    readonly maxPerRender?: number;
  };
  /** Uploaded faces and voices. */
  readonly assets?: FileLimits;
  /** Videos, segment checkpoints and landmark tracks. */
  readonly results?: FileLimits;
}

/** Limits of an object store. A file is deleted by the server when it is older than `maxAgeMs`. */
export interface FileLimits {
  readonly maxAgeMs?: number;
  /**
   * Bytes of all files, counted as chunks of OBJECT_CHUNK_BYTES and one for each name; what does not fit is refused
   * with STORE_FULL. Default: what the server's own limit allows.
   */
  readonly maxBytes?: number;
}

export const TOPOLOGY_DEFAULTS = {
  replicas: 1,
  renders: { maxAgeMs: 7 * DAY_MS, maxCount: 100_000, ackWaitMs: 15_000, maxRunning: 1_000 },
  records: { maxAgeMs: 7 * DAY_MS, maxCount: 200_000 },
  events: { maxAgeMs: 2 * DAY_MS, maxCount: 500_000, maxPerRender: 500 },
  assets: { maxAgeMs: 7 * DAY_MS },
  results: { maxAgeMs: 7 * DAY_MS },
} as const satisfies TopologyConfig;

/** Size of a chunk of an object: between speed (200 MB/s on loopback) and what a reader holds. */
export const OBJECT_CHUNK_BYTES = 256 * 1024;

export const kvStream = (bucket: string): string => `KV_${bucket}`;
export const kvSubject = (bucket: string, key: string): string => `$KV.${bucket}.${key}`;
export const objectStream = (bucket: string): string => `OBJ_${bucket}`;

type StreamPlan = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** Fields that the server changes in place. The others are fixed when a stream is made. */
const CHANGEABLE = [
  'subjects',
  'max_age',
  'max_msgs',
  'max_bytes',
  'max_msgs_per_subject',
  'duplicate_window',
  'discard',
  'num_replicas',
] as const;
const FIXED = ['retention', 'storage'] as const;

function streamPlans(config: TopologyConfig): StreamPlan[] {
  const renders = { ...TOPOLOGY_DEFAULTS.renders, ...config.renders };
  const records = { ...TOPOLOGY_DEFAULTS.records, ...config.records };
  const events = { ...TOPOLOGY_DEFAULTS.events, ...config.events };
  const common = (maxAgeMs: number, maxCount: number) => ({
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: config.replicas ?? TOPOLOGY_DEFAULTS.replicas,
    max_age: nanos(maxAgeMs),
    max_msgs: maxCount,
    max_bytes: -1,
    // How long a repeated message id counts once; the server wants it no longer than the age.
    duplicate_window: nanos(Math.min(maxAgeMs, DUPLICATE_WINDOW_MS)),
  });
  const objectStore = (
    bucket: string,
    defaults: { maxAgeMs: number },
    limits: FileLimits = {},
  ): StreamPlan => ({
    ...common(
      limits.maxAgeMs ?? defaults.maxAgeMs,
      limits.maxBytes === undefined ? -1 : Math.floor(limits.maxBytes / OBJECT_CHUNK_BYTES),
    ),
    name: objectStream(bucket),
    subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`],
    allow_rollup_hdrs: true,
    allow_direct: true,
  });
  return [
    {
      ...common(renders.maxAgeMs, renders.maxCount),
      name: RENDERS_STREAM,
      subjects: [`${RENDERS_SUBJECT}.*.*`],
      retention: RetentionPolicy.Workqueue,
    },
    {
      ...common(records.maxAgeMs, records.maxCount),
      name: kvStream(RECORDS_BUCKET),
      subjects: [kvSubject(RECORDS_BUCKET, '>')],
      max_msgs_per_subject: 1,
      deny_delete: true,
      allow_rollup_hdrs: true,
      // Records are read from the leader: a follower may not have the revision that was just written.
      allow_direct: false,
    },
    {
      ...common(events.maxAgeMs, events.maxCount),
      name: EVENTS_STREAM,
      subjects: [`${EVENTS_SUBJECT}.*.*`],
      discard: DiscardPolicy.Old,
      max_msgs_per_subject: events.maxPerRender,
      allow_direct: true,
    },
    objectStore(ASSETS_BUCKET, TOPOLOGY_DEFAULTS.assets, config.assets),
    objectStore(RESULTS_BUCKET, TOPOLOGY_DEFAULTS.results, config.results),
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
    const entries = CHANGEABLE.map((field) => [field, plan[field] ?? current.config[field]]);
    const changes = Object.fromEntries(entries) as Partial<StreamConfig>;
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
    // Attempts are counted in the record, by what became of them: waiting and shutdown do not count.
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
