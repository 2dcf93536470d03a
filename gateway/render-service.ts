/** RenderService: the public API. gRPC serves it as it is, HTTP serves the same functions as JSON. */

import type {
  LiveRequest as CompositorRequest,
  CompositorService,
} from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import type { LiveOutput } from '#gen/talkmesh/live/v1/live_pb.ts';
import type {
  CreateRenderRequest,
  LiveRequest,
  RenderService,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import type { AssetStore } from '#lib/bus/asset-store.ts';
import type { Renders } from '#lib/bus/renders.ts';
import { Fault, invalidField, toFault } from '#lib/fault/fault.ts';
import { resolveRecipe } from '#lib/recipe/resolve-recipe.ts';
import type { CallContext, ServiceClient, ServiceImpl } from '#lib/rpc/service-types.ts';
import { traceHeaders } from '#lib/telemetry/trace-context.ts';
import type { BundleOffers } from './bundle-offers.ts';
import type { GatewayConfig } from './config.ts';
import { endWhenUnread } from './end-when-unread.ts';
import type { Keyring } from './keyring.ts';

export interface RenderServiceDeps {
  readonly renders: Renders;
  readonly assets: AssetStore;
  readonly bundles: BundleOffers;
  readonly compositor: ServiceClient<typeof CompositorService>;
  readonly keyring: Keyring;
}

/** Callers name themselves by the metadata `authorization`, as in HTTP. */
export function createRenderService(
  { slowClientTimeoutMs }: Pick<GatewayConfig, 'slowClientTimeoutMs'>,
  deps: RenderServiceDeps,
): ServiceImpl<typeof RenderService> {
  const { renders, keyring } = deps;
  const tenantOf = (context: CallContext): string => keyring.admit(context.metadata.get('authorization'));
  return {
    createRender: async (request, context) => {
      const tenant = tenantOf(context);
      await checkRequest(tenant, request, deps, context.signal);
      const { render } = await renders.submit(tenant, request, traceHeaders());
      return { render };
    },
    getRender: async ({ id }, context) => ({ render: await renders.get(tenantOf(context), required(id)) }),
    listRenders: async ({ pageSize, pageToken }, context) => {
      const page = await renders.list(tenantOf(context), pageSize, pageToken);
      return { ...page, renders: [...page.renders] };
    },
    cancelRender: async ({ id }, context) => ({
      render: await renders.cancel(tenantOf(context), required(id)),
    }),
    async *watchRender({ id, afterSequence }, context) {
      const events = renders.watch(tenantOf(context), required(id), Number(afterSequence), context.signal);
      for await (const event of events) yield { event };
    },
    live: (requests, context) =>
      endWhenUnread(live(requests, context, tenantOf(context), deps), slowClientTimeoutMs),
  };
}

/** Refuses at once what would fail later: a recipe out of range, an asset that is not the caller's. */
async function checkRequest(
  tenant: string,
  request: CreateRenderRequest,
  { assets, bundles }: RenderServiceDeps,
  signal: AbortSignal,
): Promise<void> {
  resolveRecipe(request.face, request.output, await bundles.find(request.face?.bundle ?? '', signal));
  for (const field of ['sourceAssetId', 'voiceAssetId'] as const) {
    await checkAsset(tenant, field, request[field], assets);
  }
}

/** That an asset is the caller's. A refusal names the field of the request that holds its id. */
async function checkAsset(tenant: string, field: string, id: string, assets: AssetStore): Promise<void> {
  if (id === '') throw invalidField('ASSET_REQUIRED', field, 'is empty; upload a file and give its id');
  try {
    await assets.stat(tenant, id);
  } catch (error) {
    const { kind, reason, violations } = toFault(error);
    if (violations.length === 0) throw error;
    const { description } = violations[0]!;
    const details = { violations: [{ field, description }], cause: error };
    throw new Fault(kind, reason, `${field}: ${description}`, details);
  }
}

function required(id: string): string {
  if (id === '') throw invalidField('RENDER_ID_REQUIRED', 'id', 'is empty; give the id of a render');
  return id;
}

/** Passes a live stream on to a compositor, once its face is known to be the caller's. */
async function* live(
  requests: AsyncIterable<LiveRequest>,
  { signal }: CallContext,
  tenant: string,
  { assets, compositor, keyring }: RenderServiceDeps,
): AsyncGenerator<{ output: LiveOutput | undefined }> {
  const leave = keyring.enterLive(tenant);
  async function* owned(): AsyncGenerator<Pick<CompositorRequest, 'part'>> {
    for await (const { part } of requests) {
      if (part.case === 'header') {
        await checkAsset(tenant, 'header.sourceAssetId', part.value.sourceAssetId, assets);
      }
      yield { part };
    }
  }
  try {
    for await (const { output } of compositor.live(owned(), { signal })) yield { output };
  } finally {
    leave();
  }
}
