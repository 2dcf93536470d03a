/**
 * The event log of renders, in stream TALKMESH_EVENTS: each event is the record after a change. The events of one
 * render are in the order of the record's revisions, and the last event of a render that has ended is its end.
 *
 * Watching needs no consumer on the server: the next event is asked for by sequence, and a core subscription to
 * the same subject says when to ask. So a slow watcher holds one event, a reconnection loses and doubles none,
 * and thousands of watchers cost the server nothing while nothing happens.
 */
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { headers } from 'nats';
import { type RenderEvent, RenderEventSchema } from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault, invalidField } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { isStale } from './bus-fault.ts';
import type { Bus, CallPatience } from './connection.ts';
import type { RenderRecord } from './render-record.ts';
import type { RenderRecords } from './render-records.ts';
import { isEnded } from './render-state.ts';
import { type MessageQuery, readMessage } from './stored-message.ts';
import { EVENTS_STREAM, EVENTS_SUBJECT } from './topology.ts';

export interface RenderEventsConfig {
  /** How often a watcher that hears nothing looks by itself. */
  readonly lookEveryMs?: number;
}

export interface RenderEvents {
  /** Logs the record as an event, unless a later revision has been logged already. */
  publish(record: RenderRecord, patience?: CallPatience): Promise<void>;
  /**
   * The events of a render after a sequence, those that happened and those to come, until the one that ends it.
   * Ends at once when that one is not after the sequence. Holds one event; what the caller does not ask for stays
   * on the server, where the oldest events of a render may be dropped; the last never is.
   *
   * While the bus is away the watcher waits for it, as long as the signal lets it.
   *
   * @param afterSequence zero for all events that are kept
   * @throws Fault RENDER_NOT_FOUND, AFTER_SEQUENCE_INVALID, BUS_CLOSED
   */
  watch(tenant: string, id: string, afterSequence: number, signal: AbortSignal): AsyncIterable<RenderEvent>;
}

const REVISION_HEADER = 'Talkmesh-Revision';
const DEFAULT_LOOK_EVERY_MS = 15_000;

interface LoggedEvent {
  readonly sequence: number;
  readonly revision: number;
  readonly data: Uint8Array;
}

export function createRenderEvents(
  bus: Bus,
  records: RenderRecords,
  config: RenderEventsConfig = {},
): RenderEvents {
  const lookEveryMs = config.lookEveryMs ?? DEFAULT_LOOK_EVERY_MS;

  async function read(query: MessageQuery, patience?: CallPatience): Promise<LoggedEvent | undefined> {
    const message = await readMessage(bus, EVENTS_STREAM, query, 'reading an event', patience);
    if (message === undefined) return undefined;
    return {
      sequence: message.seq,
      revision: Number(message.header.get(REVISION_HEADER)),
      data: message.data,
    };
  }

  async function publish(record: RenderRecord, patience?: CallPatience): Promise<void> {
    const subject = eventSubject(record.tenant, record.render.id);
    const data = Buffer.from(JSON.stringify(toJson(RenderEventSchema, encodeEvent(record))));
    for (;;) {
      const last = await read({ last_by_subj: subject }, patience);
      if (last !== undefined && last.revision >= record.revision) return;
      const revisionHeader = headers();
      revisionHeader.set(REVISION_HEADER, String(record.revision));
      const options = { headers: revisionHeader, expect: { lastSubjectSequence: last?.sequence ?? 0 } };
      try {
        await bus.call('publishing an event', () => bus.jetstream.publish(subject, data, options), patience);
        return;
      } catch (error) {
        // Another event came first, or this one arrived and its answer did not: look again.
        if (!isStale(error)) throw error;
      }
    }
  }

  async function* watch(
    tenant: string,
    id: string,
    afterSequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<RenderEvent, void, undefined> {
    if (!Number.isSafeInteger(afterSequence) || afterSequence < 0) {
      throw invalidField(
        'AFTER_SEQUENCE_INVALID',
        'after_sequence',
        'must be zero or the sequence of an event',
      );
    }
    const patience = { signal, patienceMs: Number.POSITIVE_INFINITY };
    await records.get(tenant, id, patience);
    const subject = eventSubject(tenant, id);
    const wake = createWake(bus, subject);
    try {
      for (let sequence = afterSequence; ; ) {
        wake.reset();
        const event = await read({ seq: sequence + 1, next_by_subj: subject }, patience);
        if (event !== undefined) {
          const decoded = decodeEvent(event);
          sequence = event.sequence;
          yield decoded;
          if (isEnded(decoded.render?.state ?? 0)) return;
          continue;
        }
        const end = await whereIsTheEnd(tenant, id, subject, sequence, patience);
        if (end === 'before') return;
        if (end === 'ahead') await wake.wait(lookEveryMs, signal);
      }
    } finally {
      wake.close();
    }
  }

  /**
   * Whether the render's end is to come, or in the log: at or before the sequence, or after it. An end that a process recorded
   * but did not live to log, or that expired, is logged now.
   */
  async function whereIsTheEnd(
    tenant: string,
    id: string,
    subject: string,
    sequence: number,
    patience: CallPatience,
  ): Promise<'ahead' | 'before' | 'after'> {
    const record = await records.get(tenant, id, patience);
    if (!isEnded(record.render.state)) return 'ahead';
    await publish(record, patience);
    const last = await read({ last_by_subj: subject }, patience);
    return last !== undefined && last.sequence <= sequence ? 'before' : 'after';
  }

  return { publish, watch };
}

/** Tells a watcher when to look: at a message on the subject, after a reconnection, or when it is time. */
function createWake(
  bus: Bus,
  subject: string,
): {
  reset(): void;
  wait(limitMs: number, signal: AbortSignal): Promise<void>;
  close(): void;
} {
  let woken = new AbortController();
  const wakeUp = (): void => woken.abort();
  const stopHearing = bus.listen(subject, wakeUp);
  const stopWatching = bus.onReconnect(wakeUp);
  return {
    reset() {
      if (woken.signal.aborted) woken = new AbortController();
    },
    async wait(limitMs, signal) {
      try {
        await sleep(limitMs, AbortSignal.any([woken.signal, signal, bus.closed]));
      } catch (error) {
        if (!woken.signal.aborted) throw error;
      }
    },
    close() {
      stopHearing();
      stopWatching();
    },
  };
}

function eventSubject(tenant: string, id: string): string {
  return `${EVENTS_SUBJECT}.${tenant}.${id}`;
}

function encodeEvent(record: RenderRecord): RenderEvent {
  return { $typeName: 'talkmesh.render.v1.RenderEvent', sequence: 0n, render: record.render };
}

function decodeEvent(event: LoggedEvent): RenderEvent {
  try {
    const value = JSON.parse(Buffer.from(event.data).toString()) as JsonValue;
    const decoded = fromJson(RenderEventSchema, value, { ignoreUnknownFields: true });
    return Object.assign(decoded, { sequence: BigInt(event.sequence) });
  } catch (cause) {
    throw new Fault('corrupt', 'EVENT_CORRUPT', 'a stored event of the render cannot be read', { cause });
  }
}
