/** Uploads: POST, GET and DELETE of /v1/assets. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Context } from 'hono';
import { type Asset as AssetMessage, AssetSchema } from '#gen/talkmesh/render/v1/asset_pb.ts';
import type { Asset, AssetStore } from '#lib/bus/asset-store.ts';
import type { GatewayConfig } from './config.ts';
import { pathParameter, writeMessage } from './http-exchange.ts';
import type { Keyring } from './keyring.ts';
import type { Route } from './route.ts';

export interface AssetRoutesDeps {
  readonly assets: AssetStore;
  readonly keyring: Keyring;
}

export function assetRoutes(config: GatewayConfig, { assets, keyring }: AssetRoutesDeps): Route[] {
  const admit = (c: Context): string => keyring.admit(c.req.header('authorization'));
  const id = {
    name: 'id',
    in: 'path',
    description: 'Asset id: "sha256:" and 64 hexadecimal digits.',
  } as const;
  const body = { kind: 'message', schema: AssetSchema } as const;
  return [
    {
      method: 'POST',
      path: '/v1/assets',
      operation: 'createAsset',
      summary: 'Upload a face or a voice as the body of the request. Equal content has an equal id.',
      authenticated: true,
      request: { kind: 'bytes', mediaType: '*/*', description: 'A photograph, video or sound file.' },
      responses: { 201: { description: 'The stored asset.', body } },
      handler: async (c) => {
        const tenant = admit(c);
        const asset = await assets.put(tenant, c.req.raw.body ?? noBytes(), {
          mediaType: c.req.header('content-type') ?? '',
          limitBytes: config.maxUploadBytes,
          signal: c.req.raw.signal,
        });
        return writeMessage(c, AssetSchema, toMessage(asset), 201);
      },
    },
    {
      method: 'GET',
      path: '/v1/assets/:id',
      operation: 'getAsset',
      summary: 'Read what is known of an asset.',
      authenticated: true,
      parameters: [id],
      request: { kind: 'none' },
      responses: { 200: { description: 'The asset.', body } },
      handler: async (c) => {
        const asset = await assets.stat(admit(c), pathParameter(c, 'id'));
        return writeMessage(c, AssetSchema, toMessage(asset));
      },
    },
    {
      method: 'DELETE',
      path: '/v1/assets/:id',
      operation: 'deleteAsset',
      summary: 'Delete an asset.',
      authenticated: true,
      parameters: [id],
      request: { kind: 'none' },
      responses: { 204: { description: 'It is gone.', body: { kind: 'none' } } },
      handler: async (c) => {
        await assets.delete(admit(c), pathParameter(c, 'id'));
        return c.body(null, 204);
      },
    },
  ];
}

function toMessage({ id, sizeBytes, mediaType, expireTime }: Asset): AssetMessage {
  return create(AssetSchema, {
    id,
    sizeBytes: BigInt(sizeBytes),
    mediaType,
    expireTime: timestampFromDate(expireTime),
  });
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // An upload without a body; the store says that it is empty.
}
