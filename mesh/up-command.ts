/** `talkmesh up`: the mesh on this machine, or one service of it. */
import { parseArgs } from 'node:util';
import { effectiveConfig } from '#lib/config/describe.ts';
import { type Environment, parseConfig } from '#lib/config/parse.ts';
import { Fault } from '#lib/fault/fault.ts';
import { runUntilStopped } from '#lib/lifecycle/run-until-stopped.ts';
import { createLogger } from '#lib/telemetry/logger.ts';
import { createMetrics } from '#lib/telemetry/metrics.ts';
import { startTracing } from '#lib/telemetry/tracing.ts';
import { MESH_FIELDS } from './config-fields.ts';
import { createMesh } from './mesh.ts';
import { readOptions } from './read-options.ts';
import { parseRole } from './roles.ts';
import { TALKMESH_VERSION } from './version.ts';

export const UP_USAGE = `talkmesh up [--only SERVICE]

  The whole mesh in this process, with a private NATS server unless TALKMESH_NATS_URL names one.
  --only SERVICE   only gateway, compositor, audio, landmark or denoiser; needs TALKMESH_NATS_URL

  Configuration comes from TALKMESH_* variables; \`talkmesh doctor --config\` lists them.
`;

/** Resolves with the exit status. */
export async function runUpCommand(args: readonly string[], env: Environment): Promise<number> {
  const values = readOptions(
    () => parseArgs({ args: [...args], options: { only: { type: 'string' } } }),
    UP_USAGE,
  );
  const config = parseConfig(MESH_FIELDS, env);
  const only = values.only === undefined ? undefined : parseRole(values.only);
  if (only !== undefined && config.natsUrl === undefined) {
    throw new Fault(
      'precondition',
      'NATS_URL_REQUIRED',
      'a single service shares NATS with the others; set TALKMESH_NATS_URL, such as nats://127.0.0.1:4222',
    );
  }
  const log = createLogger({
    level: config.logLevel,
    format: process.stderr.isTTY ? 'text' : 'json',
    base: { service: only ?? 'mesh', version: TALKMESH_VERSION },
  });
  log.info('configuration', effectiveConfig(MESH_FIELDS, config));
  const tracing = await startTracing({
    otlpTracesUrl: config.otlpTracesUrl,
    serviceName: `talkmesh-${only ?? 'mesh'}`,
    serviceVersion: TALKMESH_VERSION,
    onExportFailure: (error) => log.warn('traces cannot be exported', { error }),
  });
  const mesh = createMesh(config, only, { log, metrics: createMetrics() });
  try {
    const onStarted = (): void => {
      log.info('up', mesh.addresses);
      const { http } = mesh.addresses;
      if (http !== undefined) process.stdout.write(`talkmesh is up on http://${http}\n`);
    };
    return await runUntilStopped(mesh.lifecycle, { log, lost: mesh.lost, onStarted });
  } finally {
    await tracing.close();
  }
}
