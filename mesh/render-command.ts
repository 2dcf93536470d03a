/** `talkmesh render`: a face and a voice in, a video out, in this process. */

import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RenderSummary } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { Container, ReferenceMode, VisibleMark } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { type Environment, parseConfig } from '#lib/config/parse.ts';
import { Fault, invalidField } from '#lib/fault/fault.ts';
import { REFERENCE_MODE_NAMES, referenceModeName, referenceModeOf } from '#lib/recipe/reference-mode.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import { COMMON_FIELDS } from './config-fields.ts';
import { createProgressBar } from './progress-bar.ts';
import { readOptions } from './read-options.ts';
import { createRenderPipeline, type RenderPipeline } from './render-pipeline.ts';

export const RENDER_USAGE = `talkmesh render --source FACE --audio VOICE --out VIDEO [options]

  --source FILE          a video or photograph with a face
  --audio FILE           the voice: any sound or video file
  --out FILE             the video to write: .mp4 or .webm
  --bundle NAME          model bundle (default: the configured one; see: talkmesh bundle list)
  --steps N              denoising steps a frame (default: the bundle's)
  --seed N               seed of the noise (default: 0)
  --reference-mode MODE  fixed, progressive or source (default: the bundle's)
  --fps N                frames a second of the output, interpolated above the bundle's rate (default: the bundle's)
  --no-mark              leave the visible mark out, where the bundle allows it
  --json FILE            write what was measured
`;

/** What `--json` writes; times in milliseconds. */
export interface RenderReport {
  readonly out: string;
  readonly frameCount: number;
  readonly durationMs: number;
  readonly wallMs: number;
  readonly framesPerSecond: number;
  /** Wall-clock time with at least one ONNX run under way, as a share of the render's wall time. */
  readonly meshEfficiency: number;
  readonly inferenceMs: number;
  readonly interpolatedCount: number;
  readonly provider: string;
  readonly bundle: string;
  readonly inferenceStepCount: number;
  readonly referenceMode: string;
  readonly seed: string;
}

export async function runRenderCommand(
  args: readonly string[],
  env: Environment,
  signal: AbortSignal,
): Promise<RenderReport> {
  const options = parseOptions(args);
  const pipeline = await createRenderPipeline(parseConfig(COMMON_FIELDS, env));
  try {
    const report = await renderToFile(pipeline, options, signal);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    return report;
  } finally {
    await pipeline.close();
  }
}

function parseOptions(args: readonly string[]) {
  const options = {
    source: { type: 'string' },
    audio: { type: 'string' },
    out: { type: 'string' },
    bundle: { type: 'string', default: '' },
    steps: { type: 'string', default: '0' },
    seed: { type: 'string', default: '0' },
    'reference-mode': { type: 'string' },
    fps: { type: 'string' },
    'no-mark': { type: 'boolean', default: false },
    json: { type: 'string' },
  } as const;
  const values = readOptions(() => parseArgs({ args: [...args], options }), RENDER_USAGE);
  const { source, audio, out } = values;
  if (source === undefined || audio === undefined || out === undefined) {
    const missing = ['source', 'audio', 'out'].filter((name) => values[name as 'source'] === undefined);
    throw new Fault('invalid', 'OPTION_REQUIRED', `--${missing.join(', --')} missing\n\n${RENDER_USAGE}`);
  }
  return {
    source,
    audio,
    out,
    json: values.json,
    container: containerOf(out),
    face: {
      bundle: values.bundle,
      inferenceStepCount: wholeNumber('steps', values.steps),
      seed: BigInt(wholeNumber('seed', values.seed)),
      referenceMode: parseReferenceMode(values['reference-mode']),
    },
    fps: values.fps === undefined ? undefined : wholeNumber('fps', values.fps),
    visibleMark: values['no-mark'] ? VisibleMark.OFF : VisibleMark.UNSPECIFIED,
  };
}

type RenderOptions = ReturnType<typeof parseOptions>;

async function renderToFile(
  pipeline: RenderPipeline,
  options: RenderOptions,
  signal: AbortSignal,
): Promise<RenderReport> {
  const { face, container, visibleMark, fps, out } = options;
  const request = {
    sourceAssetId: await pipeline.assets.register(options.source, signal),
    voiceAssetId: await pipeline.assets.register(options.audio, signal),
    face,
    output: {
      container,
      visibleMark,
      ...(fps === undefined ? {} : { frameRate: { numerator: fps, denominator: 1 } }),
    },
  };
  const bar = createProgressBar(process.stderr);
  const startedAt = performance.now();
  const busyBeforeMs = pipeline.runtime.busyMs();
  let summary: RenderSummary | undefined;
  // The video appears under its name only when it is whole.
  const partial = join(dirname(out), `.${basename(out)}.partial`);
  try {
    const file = await writing(open(partial, 'w'));
    try {
      for await (const { part } of pipeline.compositor.render(request, { signal })) {
        if (part.case === 'progress') {
          bar.update(Number(part.value.frameCount), Number(part.value.expectedFrameCount));
        }
        if (part.case === 'media') await writing(writeAll(file, part.value));
        if (part.case === 'summary') summary = part.value;
      }
    } finally {
      await writing(file.close());
    }
    await writing(rename(partial, out));
  } finally {
    bar.stop();
    await rm(partial, { force: true });
  }
  const wallMs = performance.now() - startedAt;
  return report(out, summary!, wallMs, pipeline.runtime.busyMs() - busyBeforeMs);
}

/** A step of writing the video. Its failures are the machine's or the caller's: the folder, the disk. */
async function writing<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    const kind = code === 'ENOSPC' ? 'saturated' : 'precondition';
    const description = `cannot be written (${code}); name a file in a folder that exists and has room`;
    throw new Fault(kind, 'OUTPUT_UNWRITABLE', `--out: ${description}`, {
      violations: [{ field: '--out', description }],
      cause,
    });
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

function report(out: string, summary: RenderSummary, wallMs: number, busyMs: number): RenderReport {
  const { provenance } = summary;
  const frameCount = Number(summary.frameCount);
  return {
    out,
    frameCount,
    durationMs: durationMs(summary.duration),
    wallMs,
    framesPerSecond: (frameCount / wallMs) * 1000,
    meshEfficiency: busyMs / wallMs,
    inferenceMs: durationMs(summary.inferenceTime),
    interpolatedCount: Number(summary.interpolatedCount),
    provider: provenance!.provider,
    bundle: `${provenance!.bundle} ${provenance!.bundleVersion}`,
    inferenceStepCount: provenance!.inferenceStepCount,
    referenceMode: referenceModeName(provenance!.referenceMode) ?? 'unknown',
    seed: String(provenance!.seed),
  };
}

function wholeNumber(option: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) {
    throw invalidField('OPTION_INVALID', `--${option}`, `"${value}" is not a whole number from 0 on`);
  }
  return Number(value);
}

function parseReferenceMode(value: string | undefined): ReferenceMode {
  if (value === undefined) return ReferenceMode.UNSPECIFIED;
  const name = REFERENCE_MODE_NAMES.find((known) => known === value);
  if (name !== undefined) return referenceModeOf(name);
  const known = REFERENCE_MODE_NAMES.join(', ');
  throw invalidField('OPTION_INVALID', '--reference-mode', `"${value}" is no mode; known: ${known}`);
}

function containerOf(out: string): Container {
  if (/\.mp4$/i.test(out)) return Container.MP4;
  if (/\.webm$/i.test(out)) return Container.WEBM;
  throw invalidField('OPTION_INVALID', '--out', 'the name must end in .mp4 or .webm');
}
