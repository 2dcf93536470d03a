/** Servers and clients of the probe that a test opens and that are closed after it. */
import { afterEach } from 'vitest';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { bind } from '../binding.ts';
import { type ConnectConfig, type Connection, connect } from '../connect.ts';
import { type RpcServer, type ServeConfig, serve } from '../serve.ts';
import { createProbe, type ProbeImpl } from './probe.ts';

const cleanups: (() => unknown)[] = [];

/** Registers what to do after the test, last first. */
export function afterwards(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** To be called once in each test file that uses this module. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
}

/** A server of the probe, with these methods in place of its own. */
export async function start(
  overrides: Partial<ProbeImpl> = {},
  config: Partial<ServeConfig> = {},
): Promise<RpcServer> {
  const services = [bind(ProbeService, createProbe(overrides))];
  const server = await serve({ address: '127.0.0.1:0', services, ...config });
  afterwards(() => server.close());
  return server;
}

/** A client of the probe at the address. */
export function to(address: string, config: Partial<ConnectConfig> = {}): Connection<typeof ProbeService> {
  const connection = connect(ProbeService, { address, ...config });
  afterwards(() => connection.close());
  return connection;
}
