/**
 * One ffmpeg process, built and started by fluent-ffmpeg. What that package leaves open is closed here:
 * - its paths are global to the process: each command carries its own;
 * - it asks ffmpeg for its formats and encoders before the first command, which nothing can stop and nothing here
 *   needs, since ffmpeg itself refuses what it lacks: not asked;
 * - it cannot kill what has not started yet: a stop before the start is remembered;
 * - it ends the output when stdout ends, before the exit status is known: here the output ends after a clean
 *   exit, and is destroyed with a fault after any other;
 * - it collects stdout in memory when there is no output stream: raw output always has one here;
 * - it splits an option that holds one space, unless options come as separate arguments;
 * - a spawn that fails makes it throw where nobody can catch it: its listener is replaced;
 * - its error texts quote file names: they go into the cause of a fault, never into its message.
 */
import type { ChildProcess } from 'node:child_process';
import { finished, PassThrough, type Readable } from 'node:stream';
import ffmpeg from 'fluent-ffmpeg';
import { abortFault, type Fault } from '#lib/fault/fault.ts';
import type { ToolFailure } from './media-fault.ts';
import type { FfmpegTools } from './media-input.ts';

export interface FfmpegInput {
  /** A local file (through `inputUrl`), a lavfi graph, or bytes for stdin. At most one input may be a stream. */
  readonly source: string | Readable;
  /** Options before `-i`. */
  readonly options: readonly string[];
}

export interface FfmpegOutput {
  /** A local file, or 'pipe' for the `output` stream of the process. At most one may be 'pipe'. */
  readonly target: string;
  readonly options: readonly string[];
}

export interface FfmpegJob {
  readonly inputs: readonly FfmpegInput[];
  readonly outputs: readonly FfmpegOutput[];
  /** One filter graph over all inputs, whose labels the outputs map. */
  readonly filterGraph?: string;
  readonly tools: FfmpegTools;
  readonly signal?: AbortSignal | undefined;
  /** How a failure reads to the caller. */
  readonly fault: (failure: ToolFailure) => Fault;
}

export interface FfmpegProcess {
  /** What the process writes to 'pipe'. Unread, it stops the process: memory stays flat. */
  readonly output: Readable;
  /** Settles when the process is gone: with its last stderr lines, or with a Fault. Awaiting it is optional. */
  readonly done: Promise<{ readonly stderr: string }>;
  /** Kills the process if it runs, and resolves when it is gone. Never rejects. */
  stop(): Promise<void>;
}

const OUTPUT_BUFFER_BYTES = 1 << 20;
const STDERR_LINES = 40;
const GLOBAL_OPTIONS = ['-hide_banner', '-nostdin', '-loglevel', 'error'] as const;

export function startFfmpeg(job: FfmpegJob): FfmpegProcess {
  const output = new PassThrough({ highWaterMark: OUTPUT_BUFFER_BYTES });
  const command = buildCommand(job, output);
  const gone = Promise.withResolvers<void>();
  const done = Promise.withResolvers<{ readonly stderr: string }>();
  // A caller that only reads `output` learns of the failure there.
  done.promise.catch(() => undefined);
  output.on('error', () => undefined);

  let child: ChildProcess | undefined;
  let stopped = false;
  let outcome: Fault | undefined;
  const kill = () => {
    stopped = true;
    child?.kill('SIGKILL');
    // Nobody reads on; without this an exited process with unread output would never count as gone.
    child?.stdout?.destroy();
  };
  const fail = (fault: Fault) => {
    outcome ??= fault;
    output.destroy(outcome);
  };
  const onAbort = () => {
    if (job.signal !== undefined) fail(abortFault(job.signal));
    kill();
  };
  const settle = (stderr: string) => {
    job.signal?.removeEventListener('abort', onAbort);
    if (outcome === undefined) done.resolve({ stderr });
    else done.reject(outcome);
    gone.resolve();
  };

  const onError = (error: unknown, stderr: string) => {
    fail(stopped ? abortFault(AbortSignal.abort()) : job.fault({ error, stderr }));
    whenExited(child, () => settle(stderr));
  };
  command.on('start', () => {
    child = (command as unknown as { ffmpegProc: ChildProcess }).ffmpegProc;
    child.removeAllListeners('error').on('error', (error) => onError(error, ''));
    if (stopped) kill();
  });
  command.on('error', (error: unknown, _stdout: unknown, stderr: unknown) => {
    onError(error, typeof stderr === 'string' ? stderr : '');
  });
  command.on('end', (_stdout: unknown, stderr: unknown) => {
    const text = typeof stderr === 'string' ? stderr : '';
    const stdout = child?.stdout;
    const close = () => {
      output.end();
      settle(text);
    };
    if (stdout == null || stdout.readableEnded || stdout.destroyed) close();
    else finished(stdout, close);
  });

  if (job.signal?.aborted) onAbort();
  job.signal?.addEventListener('abort', onAbort, { once: true });
  command.run();
  return {
    output,
    done: done.promise,
    stop: async () => {
      kill();
      output.destroy();
      await gone.promise;
    },
  };
}

function buildCommand(job: FfmpegJob, output: PassThrough): ffmpeg.FfmpegCommand {
  const command = ffmpeg({ stdoutLines: STDERR_LINES });
  Object.assign(command, {
    _getFfmpegPath: (found: (error: null, path: string) => void) => found(null, job.tools.ffmpegPath),
    _checkCapabilities: (checked: (error: null) => void) => checked(null),
    availableEncoders: (found: (error: null, encoders: object) => void) => found(null, {}),
  });
  for (const [index, input] of job.inputs.entries()) {
    command.input(input.source);
    addOptions(index === 0 ? [...GLOBAL_OPTIONS, ...input.options] : input.options, (...options) =>
      command.inputOptions(...options),
    );
  }
  if (job.filterGraph !== undefined) command.complexFilter(job.filterGraph);
  for (const { target, options } of job.outputs) {
    if (target === 'pipe') command.output(output, { end: false });
    else command.output(target);
    addOptions(options, (...list) => command.outputOptions(...list));
  }
  return command;
}

function addOptions(options: readonly string[], add: (...options: string[]) => void): void {
  if (options.length > 0) add(...options);
}

/** fluent-ffmpeg may report an error (of a stream, of the spawn) before the process is gone. */
function whenExited(child: ChildProcess | undefined, then: () => void): void {
  if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    then();
  else child.once('exit', then);
}
