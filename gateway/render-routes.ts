/** Renders over HTTP: the functions of RenderService as JSON, their events as SSE, their videos as files. */
import { create, toJson } from '@bufbuild/protobuf';
import type { Context } from 'hono';
import { stream, streamSSE } from 'hono/streaming';
import { RenderSchema } from '#gen/talkmesh/render/v1/render_pb.ts';
import {
  CancelRenderRequestSchema,
  CreateRenderRequestSchema,
  GetRenderRequestSchema,
  ListRendersRequestSchema,
  ListRendersResponseSchema,
  type RenderService,
  WatchRenderRequestSchema,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import type { ResultStore, StoredVideo } from '#lib/bus/result-store.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { parseRange } from './byte-range.ts';
import type { GatewayConfig } from './config.ts';
import { callOptions, pathParameter, readBody, writeMessage } from './http-exchange.ts';
import type { Keyring } from './keyring.ts';
import type { Route } from './route.ts';

export interface RenderRoutesDeps {
  /** The public API, called directly. */
  readonly renders: ServiceClient<typeof RenderService>;
  readonly results: ResultStore;
  readonly keyring: Keyring;
}

const ID = { name: 'id', in: 'path', description: 'Id of the render.' } as const;
const RENDER = { kind: 'message', schema: RenderSchema } as const;
const NONE = { kind: 'none' } as const;

export function renderRoutes(config: GatewayConfig, deps: RenderRoutesDeps): Route[] {
  const { renders } = deps;
  return [
    {
      method: 'POST',
      path: '/v1/renders',
      operation: 'createRender',
      summary: 'Queue a render of two assets.',
      authenticated: true,
      parameters: [
        {
          name: 'Idempotency-Key',
          in: 'header',
          description:
            'The same key and body again give the same render; the same key and another body, 409.',
        },
      ],
      request: { kind: 'message', schema: CreateRenderRequestSchema },
      responses: { 201: { description: 'The queued render.', body: RENDER } },
      handler: async (c) => {
        const request = await readBody(c, CreateRenderRequestSchema, config.maxJsonBytes);
        const key = c.req.header('idempotency-key');
        if (key !== undefined) request.requestId = key;
        const { render } = await renders.createRender(request, callOptions(c));
        c.header('location', `/v1/renders/${render!.id}`);
        return writeMessage(c, RenderSchema, render!, 201);
      },
    },
    {
      method: 'GET',
      path: '/v1/renders',
      operation: 'listRenders',
      summary: 'List renders, newest first.',
      authenticated: true,
      parameters: [
        { name: 'pageSize', in: 'query', description: '1 to 100; 20 unless given.', integer: true },
        { name: 'pageToken', in: 'query', description: 'nextPageToken of the page before.' },
      ],
      request: NONE,
      responses: {
        200: { description: 'A page.', body: { kind: 'message', schema: ListRendersResponseSchema } },
      },
      handler: async (c) => {
        const pageSize = integerQuery(c, 'pageSize');
        const pageToken = c.req.query('pageToken') ?? '';
        const page = await renders.listRenders(
          create(ListRendersRequestSchema, { pageSize, pageToken }),
          callOptions(c),
        );
        return writeMessage(c, ListRendersResponseSchema, page);
      },
    },
    {
      method: 'GET',
      path: '/v1/renders/:id',
      operation: 'getRender',
      summary: 'Read a render.',
      authenticated: true,
      parameters: [ID],
      request: NONE,
      responses: { 200: { description: 'The render.', body: RENDER } },
      handler: async (c) => {
        const request = create(GetRenderRequestSchema, { id: pathParameter(c, 'id') });
        const { render } = await renders.getRender(request, callOptions(c));
        return writeMessage(c, RenderSchema, render!);
      },
    },
    {
      method: 'DELETE',
      path: '/v1/renders/:id',
      operation: 'cancelRender',
      summary: 'Cancel a render; one that has ended stays as it is.',
      authenticated: true,
      parameters: [ID],
      request: NONE,
      responses: { 200: { description: 'The render.', body: RENDER } },
      handler: async (c) => {
        const request = create(CancelRenderRequestSchema, { id: pathParameter(c, 'id') });
        const { render } = await renders.cancelRender(request, callOptions(c));
        return writeMessage(c, RenderSchema, render!);
      },
    },
    {
      method: 'GET',
      path: '/v1/renders/:id/events',
      operation: 'watchRender',
      summary: 'Follow a render until it ends, as server-sent events; each holds the render.',
      authenticated: true,
      parameters: [ID, { name: 'Last-Event-ID', in: 'header', description: 'Go on after this event.' }],
      request: NONE,
      responses: { 200: { description: 'Events.', body: { kind: 'events', schema: RenderSchema } } },
      handler: (c) => sendEvents(c, config, deps),
    },
    {
      method: 'GET',
      path: '/v1/renders/:id/video',
      operation: 'getVideo',
      summary: 'Fetch the video of a render that has succeeded. Ranges are served.',
      authenticated: true,
      parameters: [ID, { name: 'Range', in: 'header', description: 'One range of bytes.' }],
      request: NONE,
      responses: {
        200: {
          description: 'The video.',
          body: { kind: 'bytes', mediaType: 'video/mp4', description: 'The file.' },
        },
        206: {
          description: 'A range of it.',
          body: { kind: 'bytes', mediaType: 'video/mp4', description: 'Bytes.' },
        },
      },
      handler: async (c) => {
        const tenant = deps.keyring.admit(c.req.header('authorization'));
        return sendVideo(c, await deps.results.video(tenant, pathParameter(c, 'id')));
      },
    },
  ];
}

async function sendEvents(
  c: Context,
  config: GatewayConfig,
  { renders }: RenderRoutesDeps,
): Promise<Response> {
  const lastEventId = c.req.header('last-event-id') ?? '0';
  if (!/^\d{1,15}$/.test(lastEventId)) {
    throw invalidField('AFTER_SEQUENCE_INVALID', 'Last-Event-ID', 'must be the id of an event');
  }
  const request = create(WatchRenderRequestSchema, {
    id: pathParameter(c, 'id'),
    afterSequence: BigInt(lastEventId),
  });
  const events = renders.watchRender(request, callOptions(c))[Symbol.asyncIterator]();
  // The first event decides the status: a render that is not there is a problem, not a stream.
  const first = await events.next();
  return streamSSE(c, async (sse) => {
    sse.onAbort(() => void events.return?.());
    const keepalive = setInterval(() => void sse.write(': keepalive\n\n'), config.eventKeepaliveMs);
    try {
      for (let next = first; next.done !== true && !sse.aborted; next = await events.next()) {
        const { event } = next.value;
        const data = JSON.stringify(toJson(RenderSchema, event!.render!, { alwaysEmitImplicit: true }));
        await sse.writeSSE({ id: String(event!.sequence), event: 'render', data });
      }
    } finally {
      clearInterval(keepalive);
    }
  });
}

/** A video, or the range of it that is asked for. */
export function sendVideo(c: Context, video: StoredVideo): Response {
  const range = parseRange(c.req.header('range'), video.sizeBytes);
  c.header('content-type', video.mediaType);
  c.header('accept-ranges', 'bytes');
  c.header('etag', `"${video.sha256}"`);
  c.header('content-length', String(range?.length ?? video.sizeBytes));
  if (range !== undefined) {
    c.status(206);
    c.header('content-range', `bytes ${range.offset}-${range.offset + range.length - 1}/${video.sizeBytes}`);
  }
  return stream(c, async (out) => {
    for await (const piece of video.read(range)) {
      if (out.aborted) return;
      await out.write(piece);
    }
  });
}

function integerQuery(c: Context, name: string): number {
  const value = c.req.query(name);
  if (value === undefined) return 0;
  if (!/^-?\d{1,9}$/.test(value))
    throw invalidField('QUERY_INVALID', name, `"${value}" is not a whole number`);
  return Number(value);
}
