/** A queued render: the same clip as over RPC, with its segments kept between attempts and its video stored. */
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { RenderHandler, RenderTask } from '#lib/bus/render-attempt.ts';
import type { Blobs, ResultStore } from '#lib/bus/result-store.ts';
import { Fault } from '#lib/fault/fault.ts';
import { fileFault } from '#lib/media/media-fault.ts';
import { withSpan } from '#lib/telemetry/span.ts';
import { continueTrace } from '#lib/telemetry/trace-context.ts';
import {
  type ClipRenderDeps,
  type ClipRenderEvent,
  type ClipRenderSettings,
  runClip,
} from './clip-render.ts';
import type { Checkpoints } from './segments.ts';

export interface RenderHandlerSettings extends ClipRenderSettings {
  /** Pause between two reports of progress. */
  readonly reportEveryMs: number;
}

export interface RenderHandlerDeps extends ClipRenderDeps {
  readonly results: ResultStore;
}

export function createRenderHandler(settings: RenderHandlerSettings, deps: RenderHandlerDeps): RenderHandler {
  return (task) =>
    continueTrace(
      (name) => task.headers.get(name),
      () =>
        withSpan(
          'compositor.render',
          { 'talkmesh.render_id': task.renderId, 'talkmesh.attempt': task.attempt },
          () => handle(task, settings, deps),
          'consumer',
        ),
    );
}

async function handle(task: RenderTask, settings: RenderHandlerSettings, deps: RenderHandlerDeps) {
  const { tenant, renderId, render, signal } = task;
  const blobs = deps.results.checkpoints(tenant, renderId);
  let reportedAt = Number.NEGATIVE_INFINITY;
  for await (const event of runClip(
    render,
    keptSegments(blobs, settings.segmentFrameCount),
    settings,
    deps,
    signal,
  )) {
    if (event.kind === 'progress' && performance.now() - reportedAt >= settings.reportEveryMs) {
      reportedAt = performance.now();
      task.report(event);
    }
    if (event.kind !== 'finished') continue;
    const frameCount = Number(event.summary.frameCount);
    task.report({ frameCount, expectedFrameCount: frameCount });
    const file = createReadStream(event.path);
    const video = await deps.results.putVideo(tenant, renderId, file, event.mediaType, { signal });
    await blobs.delete();
    return result(event, video);
  }
  throw new Fault('internal', 'CLIP_UNFINISHED', 'the clip ended without a file');
}

type Finished = Extract<ClipRenderEvent, { kind: 'finished' }>;

function result(event: Finished, video: { sizeBytes: number; sha256: string }) {
  const { summary } = event;
  return {
    sizeBytes: BigInt(video.sizeBytes),
    mediaType: event.mediaType,
    sha256: video.sha256,
    width: event.width,
    height: event.height,
    frameRate: event.frameRate,
    duration: summary.duration,
    interpolatedCount: summary.interpolatedCount,
    provenance: summary.provenance,
  };
}

/** Segments as blobs of the render. Those of another length, from before a new configuration, are not its own. */
function keptSegments(blobs: Blobs, segmentFrameCount: number): Checkpoints {
  const key = (segmentIndex: number): string => `segment-${segmentFrameCount}-${segmentIndex}`;
  return {
    async restore(segmentIndex, path, signal) {
      const bytes = await blobs.get(key(segmentIndex), { signal });
      if (bytes === undefined) return false;
      try {
        await writeFile(path, bytes);
      } catch (error) {
        throw fileFault(error);
      }
      return true;
    },
    async keep(segmentIndex, path) {
      await blobs.put(key(segmentIndex), await readFile(path));
    },
  };
}
