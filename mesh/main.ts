/** The command line: `talkmesh COMMAND`. */
import { isFault, toFault } from '#lib/fault/fault.ts';
import { BUNDLE_USAGE, runBundleCommand } from './bundle-command.ts';
import { DOCTOR_USAGE, runDoctorCommand } from './doctor-command.ts';
import { RENDER_USAGE, runRenderCommand } from './render-command.ts';
import { runUpCommand, UP_USAGE } from './up-command.ts';

const USAGE = `talkmesh: a face and a voice in, a lip-synced talking video out

  talkmesh render   render one video in this process
  talkmesh up       run the mesh, or one service of it
  talkmesh bundle   list, inspect and verify model bundles
  talkmesh doctor   check what this machine has and lacks
  talkmesh help COMMAND

`;

const EXIT_MISUSED = 2;
const EXIT_CANCELLED = 130;

const HELP: Readonly<Record<string, string>> = {
  render: RENDER_USAGE,
  up: UP_USAGE,
  bundle: BUNDLE_USAGE,
  doctor: DOCTOR_USAGE,
};

async function main([command = 'help', ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'render':
      return await render(args);
    case 'up':
      return await runUpCommand(args, process.env);
    case 'bundle':
      await runBundleCommand(args, process.env);
      return 0;
    case 'doctor':
      return await runDoctorCommand(args, process.env);
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP[args[0] ?? ''] ?? USAGE);
      return 0;
    default:
      process.stderr.write(`talkmesh: there is no command "${command}"\n\n${USAGE}`);
      return EXIT_MISUSED;
  }
}

async function render(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort(new DOMException(signal, 'AbortError')));
  }
  const report = await runRenderCommand(args, process.env, stop.signal);
  const { out, frameCount, framesPerSecond, meshEfficiency } = report;
  const share = (100 * meshEfficiency).toFixed(0);
  process.stdout.write(
    `${out}: ${frameCount} frames, ${framesPerSecond.toFixed(1)} fps, ${share} % of the time in models\n`,
  );
  return 0;
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const fault = toFault(error);
    process.stderr.write(`talkmesh: ${fault.reason}: ${fault.message}\n`);
    if (!isFault(error)) console.error(error);
    process.exitCode = fault.kind === 'cancelled' ? EXIT_CANCELLED : 1;
  },
);
