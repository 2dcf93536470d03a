/** The command line: `talkmesh COMMAND`. */
import { isFault, toFault } from '#lib/fault/fault.ts';
import { RENDER_USAGE, runRenderCommand } from './render-command.ts';

const USAGE = `talkmesh: a face and a voice in, a lip-synced talking video out

  talkmesh render   render one video in this process
  talkmesh help COMMAND

`;

const EXIT_CANCELLED = 130;

async function main([command = 'help', ...args]: readonly string[]): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new DOMException('interrupted', 'AbortError')));
  process.once('SIGTERM', () => stop.abort(new DOMException('terminated', 'AbortError')));
  if (command === 'render') {
    const { out, frameCount, framesPerSecond, meshEfficiency } = await runRenderCommand(
      args,
      process.env,
      stop.signal,
    );
    const share = (100 * meshEfficiency).toFixed(0);
    process.stdout.write(
      `${out}: ${frameCount} frames, ${framesPerSecond.toFixed(1)} fps, ${share} % of the time in models\n`,
    );
  } else if (command === 'help' || command === '--help' || command === '-h') {
    process.stdout.write(args[0] === 'render' ? RENDER_USAGE : USAGE);
  } else {
    process.stderr.write(`talkmesh: there is no command "${command}"\n\n${USAGE}`);
    process.exitCode = 2;
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const fault = toFault(error);
  process.stderr.write(`talkmesh: ${fault.reason}: ${fault.message}\n`);
  if (!isFault(error)) console.error(error);
  process.exitCode = fault.kind === 'cancelled' ? EXIT_CANCELLED : 1;
});
