/**
 * The records of renders, in the key-value bucket `talkmesh_renders`: what is true of a render. Every change is a
 * compare-and-set on the record's revision. A tenant is part of each key, so another tenant's render does not
 * exist for the caller.
 */
import type { JsonValue } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { nuid, type StoredMsg } from 'nats';
import type { Render } from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { isStale } from './bus-fault.ts';
import type { Bus, CallPatience } from './connection.ts';
import { checkPageSize, decodePageToken, encodePageToken } from './page.ts';
import { isRenderId } from './render-id.ts';
import {
  changed,
  decodeClaim,
  decodeRecord,
  encodeRecord,
  type RenderRecord,
  recordKey,
  requestKey,
} from './render-record.ts';
import { checkTransition } from './render-state.ts';
import { readMessage } from './stored-message.ts';
import { checkTenant } from './tenant.ts';
import { kvStream, kvSubject, RECORDS_BUCKET, TOPOLOGY_DEFAULTS } from './topology.ts';

export interface RenderPage {
  /** Newest first. */
  readonly records: readonly RenderRecord[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

export interface RenderRecordsConfig {
  /** The same as `records.maxAgeMs` of the topology: how long a record is kept after its last change. */
  readonly retentionMs?: number;
  /** Lost races before a change gives up with RENDER_CONTENDED. */
  readonly maxRaces?: number;
}

export interface RenderRecords {
  /**
   * Reserves an identifier for a request id. The same request id gives the same identifier for as long as
   * records are kept.
   *
   * @param bodySha256 tells one request from another under the same request id
   * @throws Fault IDEMPOTENCY_KEY_REUSED
   */
  claim(tenant: string, requestId: string, bodySha256: string, id: string): Promise<string>;
  /** Stores a new record, or returns the one that exists under its identifier. */
  insert(tenant: string, render: Render): Promise<RenderRecord>;
  /** @throws Fault RENDER_NOT_FOUND */
  get(tenant: string, id: string, patience?: CallPatience): Promise<RenderRecord>;
  find(tenant: string, id: string, patience?: CallPatience): Promise<RenderRecord | undefined>;
  /**
   * @param pageSize 1 to 100; zero means 20, more means 100
   * @throws Fault PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID
   */
  list(tenant: string, pageSize: number, pageToken: string): Promise<RenderPage>;
  /**
   * Replaces a record by what `change` makes of it, reading and changing again when somebody else was first.
   * `change` may run several times and must have no effect beside its result; returning its argument changes
   * nothing. The result is what is stored.
   *
   * @throws Fault RENDER_NOT_FOUND, RENDER_ENDED, RENDER_CONTENDED
   */
  update(
    tenant: string,
    id: string,
    change: (record: RenderRecord) => RenderRecord,
    patience?: CallPatience,
  ): Promise<RenderRecord>;
  /** Deletes a record at once and without a trace. */
  delete(tenant: string, id: string): Promise<void>;
}

const STREAM = kvStream(RECORDS_BUCKET);
const DEFAULT_MAX_RACES = 50;

export function createRenderRecords(bus: Bus, config: RenderRecordsConfig = {}): RenderRecords {
  const retentionMs = config.retentionMs ?? TOPOLOGY_DEFAULTS.records.maxAgeMs;
  const maxRaces = config.maxRaces ?? DEFAULT_MAX_RACES;
  const { streams } = bus.manager;

  async function read(key: string, patience?: CallPatience): Promise<StoredMsg | undefined> {
    const query = { last_by_subj: kvSubject(RECORDS_BUCKET, key) };
    const message = await readMessage(bus, STREAM, query, 'reading a record', patience);
    return message?.header.get('KV-Operation') === '' ? message : undefined;
  }

  /** Writes if the key's last revision is still `revision`; zero means that the key does not exist. */
  async function write(
    key: string,
    value: JsonValue,
    revision: number,
    patience?: CallPatience,
  ): Promise<number> {
    // The message id makes an attempt whose answer was lost count once.
    const options = { msgID: nuid.next(), expect: { lastSubjectSequence: revision } };
    const data = Buffer.from(JSON.stringify(value));
    const ack = await bus.call(
      'writing a record',
      () => bus.jetstream.publish(kvSubject(RECORDS_BUCKET, key), data, options),
      patience,
    );
    return ack.seq;
  }

  async function store(record: RenderRecord, patience?: CallPatience): Promise<RenderRecord> {
    const nowMs = Date.now();
    const stamped = changed(record, {
      updateTime: timestampFromMs(nowMs),
      expireTime: timestampFromMs(nowMs + retentionMs),
    });
    const key = recordKey(record.tenant, record.render.id);
    return { ...stamped, revision: await write(key, encodeRecord(stamped), record.revision, patience) };
  }

  async function find(
    tenant: string,
    id: string,
    patience?: CallPatience,
  ): Promise<RenderRecord | undefined> {
    checkTenant(tenant);
    if (!isRenderId(id)) return undefined;
    const entry = await read(recordKey(tenant, id), patience);
    return entry === undefined ? undefined : decodeRecord(tenant, entry.data, entry.seq);
  }

  async function get(tenant: string, id: string, patience?: CallPatience): Promise<RenderRecord> {
    const record = await find(tenant, id, patience);
    if (record === undefined) throw notFound();
    return record;
  }

  return {
    find,
    get,

    async claim(tenant, requestId, bodySha256, id) {
      const key = requestKey(checkTenant(tenant), requestId);
      try {
        await write(key, { id, bodySha256 }, 0);
        return id;
      } catch (error) {
        if (!isStale(error)) throw error;
      }
      const entry = await read(key);
      // It expired between the two; a caller that repeats the request gets a new one.
      if (entry === undefined) throw contended();
      const claimed = decodeClaim(entry.data);
      if (claimed.bodySha256 !== bodySha256) {
        throw new Fault(
          'conflict',
          'IDEMPOTENCY_KEY_REUSED',
          'request_id: was used before for another request; use a new one for each request',
          { violations: [{ field: 'request_id', description: 'was used before for another request' }] },
        );
      }
      return claimed.id;
    },

    async insert(tenant, render) {
      try {
        return await store({ tenant: checkTenant(tenant), render, chargedCount: 0, revision: 0 });
      } catch (error) {
        if (!isStale(error)) throw error;
        return await get(tenant, render.id);
      }
    },

    async list(tenant, pageSize, pageToken) {
      const limit = checkPageSize(pageSize);
      const before = decodePageToken(pageToken);
      const filter = kvSubject(RECORDS_BUCKET, recordKey(checkTenant(tenant), '*'));
      const info = await bus.call('listing records', () => streams.info(STREAM, { subjects_filter: filter }));
      const ids = Object.keys(info.state.subjects ?? {})
        .map((subject) => subject.slice(subject.lastIndexOf('.') + 1))
        .filter((id) => before === undefined || id < before)
        .sort()
        .reverse();
      const records: RenderRecord[] = [];
      let taken = 0;
      while (records.length < limit && taken < ids.length) {
        const batch = ids.slice(taken, taken + limit - records.length);
        taken += batch.length;
        // A record may expire between the listing and its reading.
        for (const record of await Promise.all(batch.map((id) => find(tenant, id)))) {
          if (record !== undefined) records.push(record);
        }
      }
      const lastId = records.at(-1)?.render.id;
      const more = taken < ids.length && lastId !== undefined;
      return { records, nextPageToken: more ? encodePageToken(lastId) : '' };
    },

    async update(tenant, id, change, patience) {
      for (let races = 0; races < maxRaces; races++) {
        const current = await get(tenant, id, patience);
        const next = change(current);
        if (next === current) return current;
        checkTransition(current.render.state, next.render.state);
        try {
          return await store({ ...next, tenant, revision: current.revision }, patience);
        } catch (error) {
          if (!isStale(error)) throw error;
        }
        await sleep(Math.random() * Math.min(2 ** races, 100), patience?.signal);
      }
      throw contended();
    },

    async delete(tenant, id) {
      await get(tenant, id);
      const filter = kvSubject(RECORDS_BUCKET, recordKey(tenant, id));
      await bus.call('deleting a record', () => streams.purge(STREAM, { filter }));
    },
  };
}

function notFound(): Fault {
  return new Fault('missing', 'RENDER_NOT_FOUND', 'no such render; it may have expired');
}

function contended(): Fault {
  return new Fault('superseded', 'RENDER_CONTENDED', 'the render is being changed by others; try again', {
    retryAfterMs: 200,
  });
}
