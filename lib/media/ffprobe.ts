/**
 * ffprobe, started directly: fluent-ffmpeg's ffprobe can neither be cancelled nor limited in time, and it reads
 * the text form, in which a line break inside a tag of a hostile file forges whole streams.
 */
import { spawn } from 'node:child_process';
import { abortFault, Fault } from '#lib/fault/fault.ts';
import type { ToolFailure } from './media-fault.ts';
import { type FfmpegTools, INPUT_OPTIONS, inputUrl } from './media-input.ts';

/** The fields of ffprobe that are read; numbers arrive as decimal text, what is unknown is absent or 'N/A'. */
export interface ProbedStream {
  readonly index: number;
  readonly codec_type?: string;
  readonly width?: number;
  readonly height?: number;
  readonly sample_aspect_ratio?: string;
  readonly avg_frame_rate?: string;
  readonly r_frame_rate?: string;
  readonly duration?: string;
  readonly sample_rate?: string;
  readonly channels?: number;
  readonly color_space?: string;
  readonly color_transfer?: string;
  readonly nb_read_packets?: string;
  readonly disposition?: { readonly attached_pic?: number };
  readonly side_data_list?: readonly { readonly rotation?: number }[];
}

export interface ProbedFile {
  readonly format: { readonly format_name?: string; readonly duration?: string };
  readonly streams: readonly ProbedStream[];
}

export interface ProbeOutcome {
  readonly file: ProbedFile;
  /** What ffprobe complained about although it succeeded, such as a file that ends too early. */
  readonly stderr: string;
}

const ENTRIES = [
  'format=format_name,duration',
  'stream=index,codec_type,width,height,sample_aspect_ratio,avg_frame_rate,r_frame_rate,duration,sample_rate,' +
    'channels,color_space,color_transfer,nb_read_packets',
  'stream_disposition=attached_pic',
  'stream_side_data=rotation',
].join(':');

/** Far above what the chosen fields of any honest file need. */
const MAX_REPORT_BYTES = 1 << 20;

export interface FfprobeOptions {
  readonly tools: FfmpegTools;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly fault: (failure: ToolFailure) => Fault;
}

/** Reads a container's index and walks all of its packets, without decoding them. */
export async function runFfprobe(path: string, options: FfprobeOptions): Promise<ProbeOutcome> {
  if (options.signal?.aborted) throw abortFault(options.signal);
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const child = spawn(
    options.tools.ffprobePath,
    [
      '-v',
      'error',
      ...INPUT_OPTIONS,
      '-count_packets',
      '-of',
      'json',
      '-show_entries',
      ENTRIES,
      inputUrl(path),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' },
  );
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const exit = Promise.withResolvers<unknown>();
  child.once('error', exit.resolve);
  child.once('close', (code, killedBy) => {
    if (killedBy !== null) exit.resolve(new Error(`ffprobe was killed with signal ${killedBy}`));
    else exit.resolve(code === 0 ? undefined : new Error(`ffprobe exited with code ${code}`));
  });
  const error = await exit.promise;
  if (options.signal?.aborted) throw abortFault(options.signal);
  if (timeout.aborted) {
    throw new Fault(
      'late',
      'MEDIA_PROBE_SLOW',
      `the file could not be examined within ${options.timeoutMs} ms`,
    );
  }
  if (error !== undefined) throw options.fault({ error, stderr: stderr() });
  return { file: parseReport(stdout(), options), stderr: stderr() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= MAX_REPORT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function parseReport(text: string, options: FfprobeOptions): ProbedFile {
  try {
    const report = JSON.parse(text) as Partial<ProbedFile>;
    return { format: report.format ?? {}, streams: report.streams ?? [] };
  } catch (error) {
    throw options.fault({ error, stderr: 'ffprobe printed no JSON' });
  }
}
