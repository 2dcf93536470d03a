/** Renders as their callers see them: submit, get, list, cancel, watch. What the gateway needs of the bus. */
import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Render,
  type RenderEvent,
  RenderSchema,
  RenderState,
} from '#gen/talkmesh/render/v1/render_pb.ts';
import {
  type CreateRenderRequest,
  CreateRenderRequestSchema,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { invalidField, toFault } from '#lib/fault/fault.ts';
import type { Bus } from './connection.ts';
import { cancelled } from './render-changes.ts';
import type { RenderEvents } from './render-events.ts';
import { newRenderId } from './render-id.ts';
import type { RenderQueue } from './render-queue.ts';
import type { RenderRecords } from './render-records.ts';
import { CANCEL_SUBJECT } from './topology.ts';

export interface RenderList {
  /** Newest first. */
  readonly renders: readonly Render[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

export interface Renders {
  /**
   * Queues a render. With a request id, the same request again gives the same render; the answer to a call that
   * failed half-way is completed by repeating it.
   *
   * @param headers travel with the render to the worker: the trace context
   * @throws Fault REQUEST_ID_INVALID, IDEMPOTENCY_KEY_REUSED, STORE_FULL, BUS_LOST
   */
  submit(
    tenant: string,
    request: CreateRenderRequest,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ readonly render: Render; readonly replayed: boolean }>;
  /** @throws Fault RENDER_NOT_FOUND */
  get(tenant: string, id: string): Promise<Render>;
  list(tenant: string, pageSize: number, pageToken: string): Promise<RenderList>;
  /** Cancels a render; one that has ended is returned as it is. @throws Fault RENDER_NOT_FOUND */
  cancel(tenant: string, id: string): Promise<Render>;
  /** See `RenderEvents.watch`. */
  watch(tenant: string, id: string, afterSequence: number, signal: AbortSignal): AsyncIterable<RenderEvent>;
}

export interface RendersDeps {
  readonly bus: Bus;
  readonly records: RenderRecords;
  readonly queue: RenderQueue;
  readonly events: RenderEvents;
}

const REQUEST_ID_FORM = /^[\x21-\x7e]{1,128}$/;

export function createRenders({ bus, records, queue, events }: RendersDeps): Renders {
  return {
    async submit(tenant, request, headers) {
      const freshId = newRenderId();
      const id =
        request.requestId === ''
          ? freshId
          : await records.claim(tenant, checkRequestId(request.requestId), bodyDigest(request), freshId);
      const existing = id === freshId ? undefined : await records.find(tenant, id);
      if (existing !== undefined) return { render: existing.render, replayed: true };
      // Queued before it is recorded: what this process does not live to record was never promised to anybody,
      // whereas a record without a message would wait for ever.
      await queue.enqueue(tenant, id, headers);
      const record = await records.insert(tenant, newRender(id, request)).catch(async (error: unknown) => {
        if (toFault(error).kind === 'saturated') await queue.remove(tenant, id);
        throw error;
      });
      await events.publish(record);
      return { render: record.render, replayed: id !== freshId };
    },

    async get(tenant, id) {
      return (await records.get(tenant, id)).render;
    },

    async list(tenant, pageSize, pageToken) {
      const page = await records.list(tenant, pageSize, pageToken);
      return { renders: page.records.map(({ render }) => render), nextPageToken: page.nextPageToken };
    },

    async cancel(tenant, id) {
      const record = await records.update(tenant, id, cancelled);
      if (record.render.state !== RenderState.CANCELLED) return record.render;
      bus.tell(`${CANCEL_SUBJECT}.${id}`);
      await events.publish(record);
      await queue.remove(tenant, id);
      return record.render;
    },

    watch: (tenant, id, afterSequence, signal) => events.watch(tenant, id, afterSequence, signal),
  };
}

function newRender(id: string, request: CreateRenderRequest): Render {
  const { sourceAssetId, voiceAssetId, face, output } = request;
  return create(RenderSchema, {
    id,
    state: RenderState.QUEUED,
    sourceAssetId,
    voiceAssetId,
    ...(face === undefined ? {} : { face }),
    ...(output === undefined ? {} : { output }),
    createTime: timestampFromMs(Date.now()),
  });
}

function checkRequestId(requestId: string): string {
  if (!REQUEST_ID_FORM.test(requestId)) {
    throw invalidField('REQUEST_ID_INVALID', 'request_id', 'must be 1 to 128 visible ASCII characters');
  }
  return requestId;
}

/** What makes two requests the same: everything but the request id. */
function bodyDigest(request: CreateRenderRequest): string {
  const body = toBinary(CreateRenderRequestSchema, { ...request, requestId: '' });
  return createHash('sha256').update(body).digest('hex');
}
