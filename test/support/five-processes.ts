/** The mesh as five processes and a NATS server, each of which can be killed and comes back on its own address. */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startNatsServer } from '#lib/bus/server.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import { ROLES, type Role } from '#mesh/roles.ts';
import { type MeshProcess, startMesh } from './mesh-process.ts';

export interface FiveProcesses {
  /** Base URL of the gateway. */
  readonly url: string;
  readonly grpcAddress: string;
  readonly processes: Readonly<Record<Role, MeshProcess>>;
  /** kill -9, and a new process in its place, as a supervisor or Kubernetes would. */
  replace(role: Role): Promise<void>;
  stop(): Promise<void>;
}

export async function startFiveProcesses(
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<FiveProcesses> {
  const deps = { log: createLogger({ level: 'error' }), metrics: createMetrics({ processMetrics: false }) };
  const nats = await startNatsServer({ folder: join(folder, 'nats') }, deps, AbortSignal.timeout(30_000));
  const ports = await freePorts(6);
  const [audio, landmark, denoiser, compositor, http, grpc] = ports.map((port) => `127.0.0.1:${port}`);
  const listen: Partial<Record<Role, string>> = {
    audio: audio!,
    landmark: landmark!,
    denoiser: denoiser!,
    compositor: compositor!,
  };
  const start = (role: Role): Promise<MeshProcess> =>
    startMesh(['--only', role], {
      TALKMESH_NATS_URL: nats.url,
      TALKMESH_NATS_TOKEN: nats.token,
      TALKMESH_DATA_FOLDER: join(folder, role),
      TALKMESH_TEMP_FOLDER: folder,
      TALKMESH_AUDIO_ADDRESS: audio!,
      TALKMESH_LANDMARK_ADDRESS: landmark!,
      TALKMESH_DENOISER_ADDRESS: denoiser!,
      TALKMESH_COMPOSITOR_ADDRESS: compositor!,
      TALKMESH_HTTP_ADDRESS: http!,
      TALKMESH_GRPC_ADDRESS: grpc!,
      TALKMESH_LISTEN_ADDRESS: listen[role] ?? '127.0.0.1:0',
      TALKMESH_INFERENCE_THREADS: '1',
      ...env,
    });
  const started = await Promise.all(ROLES.map(async (role) => [role, await start(role)] as const));
  const processes = Object.fromEntries(started) as Record<Role, MeshProcess>;
  return {
    url: `http://${http}`,
    grpcAddress: grpc!,
    processes,
    async replace(role) {
      await processes[role].kill('SIGKILL');
      processes[role] = await start(role);
    },
    async stop() {
      await Promise.all(ROLES.map((role) => processes[role].kill('SIGTERM')));
      await nats.stop();
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
