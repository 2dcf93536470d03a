/**
 * Finished segments of a clip, on disk while it is made and in a store beyond that, so that a clip whose worker
 * died goes on where it stood.
 */
import { join } from 'node:path';
import { Fault } from '#lib/fault/fault.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { type SegmentOptions, startSegmentEncoder } from '#lib/media/encode-segment.ts';
import type { PictureEncoder } from '#lib/media/raw-video.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';

/** Where segments outlive the process; `segmentIndex` counts from 0. */
export interface Checkpoints {
  /** Writes a kept segment to `path`; false when there is none. */
  restore(segmentIndex: number, path: string, signal: AbortSignal): Promise<boolean>;
  keep(segmentIndex: number, path: string): Promise<void>;
}

/**
 * Segments begin where the reference face starts afresh: only there a clip can go on as if it had never stopped.
 *
 * @throws Fault precondition SEGMENT_FRAMES_INVALID
 */
export function checkSegmentFrameCount(
  segmentFrameCount: number,
  manifests: readonly BundleManifest[],
): void {
  for (const { name, reference } of manifests) {
    if (segmentFrameCount % reference.resetFrames === 0) continue;
    throw new Fault(
      'precondition',
      'SEGMENT_FRAMES_INVALID',
      `segments of ${segmentFrameCount} frames do not begin where bundle "${name}" resets its reference; ` +
        `set a multiple of ${reference.resetFrames} frames (TALKMESH_SEGMENT_FRAMES)`,
    );
  }
}

export interface SegmentWriterOptions extends Omit<SegmentOptions, 'path' | 'format'> {
  readonly folder: string;
  readonly frameRate: SegmentOptions['format']['frameRate'];
  /** Frames of each segment but the last. */
  readonly segmentFrameCount: number;
  readonly checkpoints: Checkpoints | undefined;
}

export interface SegmentWriter {
  /** Finished segments, in order. */
  readonly paths: readonly string[];
  /** Brings back what an earlier attempt has kept. */
  restore(): Promise<void>;
  write(picture: RgbPixels): Promise<void>;
  /** Finishes the last segment, which may be short. */
  finish(): Promise<void>;
  /** Drops the unfinished segment, if any. */
  discard(): Promise<void>;
}

export function createSegmentWriter(options: SegmentWriterOptions): SegmentWriter {
  const { folder, frameRate, segmentFrameCount, checkpoints, ...encoding } = options;
  const paths: string[] = [];
  let encoder: PictureEncoder | undefined;
  let frameCount = 0;
  const nextPath = (): string => join(folder, `segment-${String(paths.length).padStart(6, '0')}.mp4`);

  async function finish(): Promise<void> {
    if (encoder === undefined) return;
    await encoder.finish();
    encoder = undefined;
    frameCount = 0;
    const path = nextPath();
    await checkpoints?.keep(paths.length, path);
    paths.push(path);
  }

  return {
    paths,
    async restore() {
      if (checkpoints === undefined) return;
      while (await checkpoints.restore(paths.length, nextPath(), encoding.signal)) paths.push(nextPath());
    },
    async write({ width, height, data }) {
      encoder ??= startSegmentEncoder({
        ...encoding,
        path: nextPath(),
        format: { width, height, frameRate },
      });
      await encoder.write(data);
      frameCount += 1;
      if (frameCount === segmentFrameCount) await finish();
    },
    finish,
    async discard() {
      await encoder?.discard();
      encoder = undefined;
      frameCount = 0;
    },
  };
}
