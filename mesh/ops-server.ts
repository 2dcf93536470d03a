/** /healthz, /readyz and /metrics of a single service; the gateway serves them itself. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Readiness } from '#lib/lifecycle/readiness.ts';
import type { MetricsRegistry } from '#lib/telemetry/metrics.ts';

export interface OpsServer {
  readonly address: string;
  close(): Promise<void>;
}

export interface OpsDeps {
  readonly metrics: MetricsRegistry;
  readonly readiness: Readiness;
}

export async function startOpsServer(address: string, { metrics, readiness }: OpsDeps): Promise<OpsServer> {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/readyz', (c) => {
    const report = readiness.report();
    return c.json(report, report.ready ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  const separator = address.lastIndexOf(':');
  const host = address.slice(0, separator);
  server.listen(Number(address.slice(separator + 1)), host);
  await once(server, 'listening');
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
