/** `talkmesh doctor`: what this machine has and lacks, each with its remedy. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { parseArgs, promisify } from 'node:util';
import { connectBus } from '#lib/bus/connection.ts';
import { describeFields } from '#lib/config/describe.ts';
import { type Environment, parseConfig } from '#lib/config/parse.ts';
import { toFault } from '#lib/fault/fault.ts';
import { MESH_FIELDS, type MeshConfig } from './config-fields.ts';
import { openConfiguredCatalog, startInference } from './leaf-services.ts';
import { readOptions } from './read-options.ts';

export const DOCTOR_USAGE = `talkmesh doctor            checks ffmpeg and its encoders, NATS, ports, models and providers
talkmesh doctor --config   lists every configuration key
`;

interface Check {
  readonly name: string;
  /** Resolves with what was found; throws with what is wrong. */
  run(config: MeshConfig): Promise<string>;
  readonly remedy: string;
}

const ENCODERS = ['libx264', 'aac', 'libvpx-vp9', 'libopus'] as const;
const APT = 'sudo apt-get install -y';
const run = promisify(execFile);

const CHECKS: readonly Check[] = [
  {
    name: 'ffmpeg',
    run: async ({ ffmpegPath }) => firstLine((await run(ffmpegPath, ['-version'])).stdout),
    remedy: `${APT} ffmpeg, or set TALKMESH_FFMPEG`,
  },
  {
    name: 'ffprobe',
    run: async ({ ffprobePath }) => firstLine((await run(ffprobePath, ['-version'])).stdout),
    remedy: `${APT} ffmpeg, or set TALKMESH_FFPROBE`,
  },
  {
    name: 'encoders',
    async run({ ffmpegPath }) {
      const { stdout } = await run(ffmpegPath, ['-hide_banner', '-encoders'], { maxBuffer: 4 << 20 });
      const missing = ENCODERS.filter((encoder) => !new RegExp(`\\s${encoder}\\s`).test(stdout));
      if (missing.length > 0) throw new Error(`${missing.join(', ')} missing`);
      return ENCODERS.join(', ');
    },
    remedy: 'install an ffmpeg that is built with these encoders; Debian and Ubuntu have one',
  },
  {
    name: 'NATS',
    async run({ natsUrl, natsToken }) {
      if (natsUrl === undefined) return firstLine((await run('nats-server', ['--version'])).stdout);
      const credentials = natsToken === undefined ? {} : { credentials: { token: natsToken } };
      const bus = await connectBus({ url: natsUrl, name: 'talkmesh-doctor', ...credentials });
      await bus.drain();
      return 'the configured server answers, JetStream is on';
    },
    remedy: `${APT} nats-server; or set TALKMESH_NATS_URL to a server started with -js`,
  },
  {
    name: 'HTTP port',
    run: ({ httpAddress }) => tryPort(httpAddress),
    remedy: 'stop what listens there, or set TALKMESH_HTTP_ADDRESS',
  },
  {
    name: 'gRPC port',
    run: ({ grpcAddress }) => tryPort(grpcAddress),
    remedy: 'stop what listens there, or set TALKMESH_GRPC_ADDRESS',
  },
  {
    name: 'models',
    async run(config) {
      const bundles = (await openConfiguredCatalog(config)).list();
      for (const bundle of bundles) await bundle.verify();
      return bundles.map(({ manifest }) => `${manifest.name} ${manifest.version}`).join(', ');
    },
    remedy: 'fetch or export the bundle again, and check TALKMESH_BUNDLE_FOLDERS and TALKMESH_DEFAULT_BUNDLE',
  },
  {
    name: 'provider',
    async run(config) {
      const runtime = await startInference(config);
      const passedOver = runtime.passedOver.map(({ provider }) => provider).join(', ');
      await runtime.close();
      return `${runtime.provider}${passedOver === '' ? '' : ` (not usable here: ${passedOver})`}`;
    },
    remedy: 'set TALKMESH_PROVIDER=cpu, or install what the provider needs',
  },
];

/** Resolves with the exit status: 0 when everything is there. */
export async function runDoctorCommand(args: readonly string[], env: Environment): Promise<number> {
  const values = readOptions(
    () => parseArgs({ args: [...args], options: { config: { type: 'boolean', default: false } } }),
    DOCTOR_USAGE,
  );
  if (values.config) {
    for (const { key, description, accepts, default: fallback } of describeFields(MESH_FIELDS)) {
      process.stdout.write(
        `${key}\n    ${description} Accepts ${accepts}. Default: ${fallback || 'none'}.\n`,
      );
    }
    return 0;
  }
  const config = parseConfig(MESH_FIELDS, env);
  let failures = 0;
  for (const check of CHECKS) {
    try {
      process.stdout.write(`ok    ${check.name}: ${await check.run(config)}\n`);
    } catch (error) {
      failures += 1;
      process.stdout.write(`FAIL  ${check.name}: ${messageOf(error)}\n      remedy: ${check.remedy}\n`);
    }
  }
  return failures === 0 ? 0 : 1;
}

async function tryPort(address: string): Promise<string> {
  const separator = address.lastIndexOf(':');
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(address.slice(separator + 1)), address.slice(0, separator), resolve);
  });
  await new Promise((resolve) => server.close(resolve));
  return `${address} is free`;
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.trim();
}

/** A fault's message is written for people; a foreign error's first line is the best there is. */
function messageOf(error: unknown): string {
  const fault = toFault(error);
  if (fault.reason !== 'UNEXPECTED') return fault.message;
  return error instanceof Error ? firstLine(error.message) : String(error);
}
