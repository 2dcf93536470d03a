/** The gateway's HTTP side: every route, and what happens around all of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { ListBundlesResponseSchema } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import type { RenderService } from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { countReject } from '#lib/telemetry/count-reject.ts';
import type { MetricsRegistry } from '#lib/telemetry/metrics.ts';
import { withSpan } from '#lib/telemetry/span.ts';
import { continueTrace } from '#lib/telemetry/trace-context.ts';
import { type AssetRoutesDeps, assetRoutes } from './asset-routes.ts';
import type { BundleOffers } from './bundle-offers.ts';
import type { GatewayConfig } from './config.ts';
import { writeMessage, writeProblem } from './http-exchange.ts';
import { describeRoutes } from './openapi.ts';
import { type RenderRoutesDeps, renderRoutes } from './render-routes.ts';
import type { Route } from './route.ts';
import { talkRoute } from './talk-route.ts';

export interface GatewayDeps extends AssetRoutesDeps, RenderRoutesDeps {
  readonly renders: ServiceClient<typeof RenderService>;
  readonly bundles: BundleOffers;
  readonly metrics: MetricsRegistry;
  /** Whether requests can be served now: the bus and a compositor are there, and no drain is under way. */
  readonly isReady: () => boolean;
  readonly version: string;
}

export function createGatewayApp(config: GatewayConfig, deps: GatewayDeps): Hono {
  const app = new Hono();
  if (config.corsOrigins.length > 0) app.use('*', cors(corsOptions(config)));
  const studioPage = readFileSync(join(import.meta.dirname, 'studio.html'), 'utf8');
  const routes = allRoutes(config, deps);
  const document = describeRoutes(routes, deps.version);
  for (const route of routes) app.on(route.method, route.path, (c) => serve(c, route, deps));
  app.get('/openapi.json', (c) => c.json(document));
  app.get('/', (c) => c.html(studioPage));
  app.notFound((c) => writeProblem(c, unknownRoute(c)));
  app.onError((error, c) => writeProblem(c, error));
  return app;
}

function allRoutes(config: GatewayConfig, deps: GatewayDeps): Route[] {
  const none = { kind: 'none' } as const;
  const text = (description: string) => ({ kind: 'bytes', mediaType: 'text/plain', description }) as const;
  return [
    ...assetRoutes(config, deps),
    ...renderRoutes(config, deps),
    talkRoute(config, deps),
    {
      method: 'GET',
      path: '/v1/bundles',
      operation: 'listBundles',
      summary: 'List the model bundles.',
      authenticated: true,
      request: none,
      responses: {
        200: { description: 'Bundles.', body: { kind: 'message', schema: ListBundlesResponseSchema } },
      },
      handler: async (c) => {
        deps.keyring.admit(c.req.header('authorization'));
        const bundles = [...(await deps.bundles.list(c.req.raw.signal))];
        return writeMessage(c, ListBundlesResponseSchema, create(ListBundlesResponseSchema, { bundles }));
      },
    },
    {
      method: 'GET',
      path: '/healthz',
      operation: 'checkHealth',
      summary: 'Whether the process is alive.',
      authenticated: false,
      request: none,
      responses: { 200: { description: 'It is.', body: text('ok') } },
      handler: (c) => c.text('ok'),
    },
    {
      method: 'GET',
      path: '/readyz',
      operation: 'checkReadiness',
      summary: 'Whether requests can be served now.',
      authenticated: false,
      request: none,
      responses: { 200: { description: 'They can.', body: text('ready') } },
      handler: (c) => (deps.isReady() ? c.text('ready') : c.text('not ready', 503)),
    },
    {
      method: 'GET',
      path: '/metrics',
      operation: 'readMetrics',
      summary: 'Metrics for Prometheus.',
      authenticated: false,
      request: none,
      responses: { 200: { description: 'Metrics.', body: text('Prometheus exposition format.') } },
      handler: async (c) =>
        c.body(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType }),
    },
  ];
}

/** A request in its trace, measured, with every error as a problem. */
async function serve(c: Context, route: Route, { metrics }: GatewayDeps): Promise<Response> {
  const startedAt = performance.now();
  const name = `${route.method} ${route.path}`;
  let refusal: Response | undefined;
  const handle = async (): Promise<Response> => {
    try {
      return await route.handler(c);
    } catch (error) {
      // Written inside the span, so that the problem names the trace.
      refusal = writeProblem(c, error);
      countReject(metrics, error);
      throw error;
    }
  };
  const response = await continueTrace(
    (header) => c.req.header(header),
    () => withSpan(name, {}, handle, 'server'),
  ).catch(() => refusal!);
  const seconds = (performance.now() - startedAt) / 1000;
  metrics.observe('talkmesh_http_seconds', { route: name, status: String(response.status) }, seconds);
  return response;
}

function unknownRoute(c: Context): Fault {
  return new Fault(
    'missing',
    'ROUTE_UNKNOWN',
    `${c.req.method} ${c.req.path}: there is no such route; see /openapi.json`,
  );
}

function corsOptions({ corsOrigins }: GatewayConfig) {
  return {
    origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'last-event-id',
      'range',
      'traceparent',
    ],
    exposeHeaders: ['content-range', 'etag', 'location', 'retry-after', 'talkmesh-render-id'],
    maxAge: 600,
  };
}
