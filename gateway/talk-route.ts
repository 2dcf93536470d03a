/** POST /v1/talk: a face and a voice in one request, the video in its answer. The one-line curl. */
import { create, type JsonValue } from '@bufbuild/protobuf';
import type { Context } from 'hono';
import { RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import {
  CreateRenderRequestSchema,
  type RenderService,
  WatchRenderRequestSchema,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import type { AssetStore } from '#lib/bus/asset-store.ts';
import type { ResultStore } from '#lib/bus/result-store.ts';
import { abortFault, Fault, invalidField } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import type { GatewayConfig } from './config.ts';
import { callOptions, messageFromJson } from './http-exchange.ts';
import type { Keyring } from './keyring.ts';
import { readMultipart } from './multipart.ts';
import { sendVideo } from './render-routes.ts';
import type { Route } from './route.ts';

export interface TalkRouteDeps {
  readonly renders: ServiceClient<typeof RenderService>;
  readonly assets: AssetStore;
  readonly results: ResultStore;
  readonly keyring: Keyring;
}

const FILES = { source: 'sourceAssetId', audio: 'voiceAssetId' } as const;

export function talkRoute(config: GatewayConfig, deps: TalkRouteDeps): Route {
  return {
    method: 'POST',
    path: '/v1/talk',
    operation: 'talk',
    summary: 'Send a face and a voice, receive the video. The render is cancelled when the caller hangs up.',
    authenticated: true,
    request: {
      kind: 'form',
      fields: {
        source: { file: true, required: true, description: 'The face: a photograph or a video.' },
        audio: { file: true, required: true, description: 'The voice: any sound or video file.' },
        face: { file: false, required: false, description: 'FaceRecipe as JSON.' },
        output: { file: false, required: false, description: 'OutputRecipe as JSON.' },
      },
    },
    responses: {
      200: {
        description: 'The video.',
        body: { kind: 'bytes', mediaType: 'video/mp4', description: 'The file.' },
      },
    },
    handler: (c) => talk(c, config, deps),
  };
}

async function talk(c: Context, config: GatewayConfig, deps: TalkRouteDeps): Promise<Response> {
  const tenant = deps.keyring.admit(c.req.header('authorization'));
  const body = await receive(c, tenant, config, deps);
  for (const [file, field] of Object.entries(FILES)) {
    if (body[field] === undefined)
      throw invalidField('FILE_REQUIRED', file, `is missing; send it with -F ${file}=@FILE`);
  }
  const request = messageFromJson(CreateRenderRequestSchema, body);
  const { render } = await deps.renders.createRender(request, callOptions(c));
  const { id } = render!;
  c.header('talkmesh-render-id', id);
  await untilDone(c, id, config, deps);
  return sendVideo(c, await deps.results.video(tenant, id));
}

/** Stores the files as they arrive; the fields are parts of the request's JSON. */
async function receive(c: Context, tenant: string, config: GatewayConfig, { assets }: TalkRouteDeps) {
  const body: Record<string, JsonValue> = {};
  await readMultipart(c.req.raw, Object.keys(FILES).length, {
    async onFile(name, mediaType, bytes) {
      const field = FILES[name as keyof typeof FILES];
      if (field === undefined)
        throw invalidField('FIELD_UNKNOWN', name, 'is no file of this form; known: source, audio');
      const options = { mediaType, limitBytes: config.maxUploadBytes, signal: c.req.raw.signal };
      body[field] = (await assets.put(tenant, bytes, options)).id;
    },
    onField(name, value) {
      if (name !== 'face' && name !== 'output') {
        throw invalidField('FIELD_UNKNOWN', name, 'is no field of this form; known: face, output');
      }
      try {
        body[name] = JSON.parse(value) as JsonValue;
      } catch (cause) {
        throw invalidField('BODY_NOT_JSON', name, 'is not JSON', cause);
      }
    },
  });
  return body;
}

/** Waits for the end of the render; throws its error as a fault, and cancels it when the caller hangs up. */
async function untilDone(
  c: Context,
  id: string,
  config: GatewayConfig,
  { renders }: TalkRouteDeps,
): Promise<void> {
  const { metadata } = callOptions(c);
  const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(config.talkTimeoutMs)]);
  try {
    const request = create(WatchRenderRequestSchema, { id });
    for await (const { event } of renders.watchRender(request, { signal, metadata })) {
      const { state, error } = event!.render!;
      if (state === RenderState.SUCCEEDED) return;
      if (state === RenderState.CANCELLED)
        throw new Fault('cancelled', 'RENDER_CANCELLED', 'the render was cancelled');
      if (state !== RenderState.FAILED) continue;
      const violations = error!.field === '' ? [] : [{ field: error!.field, description: error!.message }];
      throw new Fault('invalid', error!.reason, error!.message, { violations });
    }
    throw new Fault('internal', 'RENDER_UNFINISHED', 'the render has no end');
  } catch (error) {
    if (!signal.aborted) throw error;
    await renders
      .cancelRender({ id }, { metadata })
      .catch((fault: unknown) => reportStray(fault, 'cancelling a render'));
    throw abortFault(signal);
  }
}
