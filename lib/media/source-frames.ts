import { tmpdir } from 'node:os';
import { photographOptions } from './frames.ts';
import { createMezzanine, type Mezzanine } from './mezzanine.ts';
import { readPhotograph } from './photograph.ts';
import {
  cutFrames,
  decodePictures,
  type FramesOptions,
  type PicturePlan,
  planPictures,
  readFrames,
} from './picture-decoder.ts';
import type { RgbFrame } from './rgb-frame.ts';

export interface SourceFramesOptions extends FramesOptions {
  /** 'once' ends with the source. 'forth-and-back' never ends: 0 … N-1, N-2 … 1, 0 … N-1, … */
  readonly playback: 'once' | 'forth-and-back';
  /** How many frames the caller will take at most, if it knows: a source that is long enough needs no disk. */
  readonly framesWanted?: number | undefined;
  /** Where pictures that are shown again are kept meanwhile. Default: the system's folder. */
  readonly tempFolder?: string | undefined;
  /** Disk that they may take. Default 8 GiB. */
  readonly maxMezzanineBytes?: number | undefined;
}

/** A frame of a source that may be shown several times. Read only: equal sourceIndex may mean the same bytes. */
export interface SourceFrame extends RgbFrame {
  /** Which frame of the source this is; `index` counts on. */
  readonly sourceIndex: number;
}

const DEFAULT_MEZZANINE_BYTES = 8 * 1024 ** 3;

/**
 * The frames of a source as a render takes them; see `openFrames` for what a frame is. Frames that come again
 * are bit for bit those of the first time. Memory is flat; disk is used as `framesWanted` says, and freed at the
 * end. Faults: those of `openFrames`, DISK_FULL, SOURCE_TOO_LONG_TO_MIRROR.
 */
export async function* openSourceFrames(
  path: string,
  options: SourceFramesOptions,
): AsyncGenerator<SourceFrame> {
  const plan = await planPictures(path, options);
  if (plan.info.kind === 'photograph') {
    yield* repeat(await readPhotograph(path, photographOptions(options)), options);
    return;
  }
  if (options.playback === 'once') {
    yield* firstPass(plan);
    return;
  }
  const maxBytes = options.maxMezzanineBytes ?? DEFAULT_MEZZANINE_BYTES;
  const mezzanine = await createMezzanine(plan, options.tempFolder ?? tmpdir(), maxBytes);
  try {
    yield* forthAndBack(plan, options, mezzanine);
  } finally {
    await mezzanine.remove();
  }
}

/** The source frame shown at `index` when `count` frames play forth and back: a period of 2 * count - 2. */
export function mirrorIndex(index: number, count: number): number {
  if (count === 1) return 0;
  const period = 2 * count - 2;
  const phase = index % period;
  return phase < count ? phase : period - phase;
}

async function* forthAndBack(
  plan: PicturePlan,
  options: SourceFramesOptions,
  mezzanine: Mezzanine,
): AsyncGenerator<SourceFrame> {
  const startFrame = options.startFrame ?? 0;
  let next = startFrame;
  if (declaresEnough(plan, options)) {
    for await (const frame of firstPass(plan)) {
      yield frame;
      next = frame.index + 1;
    }
    // It is shorter than it declares: decode it again, this time to disk.
    await mezzanine.fill();
  } else {
    const whole = { ...plan, options: { ...plan.options, startFrame: 0 } };
    for await (const frame of firstPass(whole, mezzanine)) {
      if (frame.index < startFrame) continue;
      yield frame;
      next = frame.index + 1;
    }
  }
  yield* replay(plan, mezzanine, next);
}

/** With a second to spare, for files that round their duration up. */
function declaresEnough({ info }: PicturePlan, { framesWanted, frameRate }: SourceFramesOptions): boolean {
  if (framesWanted === undefined || info.durationS === undefined) return false;
  return ((info.durationS - 1) * frameRate.numerator) / frameRate.denominator >= framesWanted;
}

async function* firstPass(plan: PicturePlan, mezzanine?: Mezzanine): AsyncGenerator<SourceFrame> {
  const { width, height } = plan.size;
  let index = plan.options.startFrame ?? 0;
  const decoder = decodePictures(plan, mezzanine?.tee);
  for await (const data of readFrames(decoder, width * height * 3, plan)) {
    if (index === 0) await mezzanine?.hide();
    yield { index, sourceIndex: index, width, height, data };
    index += 1;
  }
}

async function* replay(plan: PicturePlan, mezzanine: Mezzanine, from: number): AsyncGenerator<SourceFrame> {
  const { width, height } = plan.size;
  const count = await mezzanine.count();
  const converter = await mezzanine.play(mirrored(from, count));
  let index = from;
  try {
    for await (const data of cutFrames(converter.output, width * height * 3)) {
      yield { index, sourceIndex: mirrorIndex(index, count), width, height, data };
      index += 1;
    }
  } finally {
    await converter.stop();
  }
}

function* mirrored(from: number, count: number): Generator<number> {
  for (let index = from; ; index++) yield mirrorIndex(index, count);
}

function* repeat(picture: RgbFrame, options: SourceFramesOptions): Generator<SourceFrame> {
  const startFrame = options.startFrame ?? 0;
  if (options.playback === 'once') {
    if (startFrame === 0) yield { ...picture, sourceIndex: 0 };
    return;
  }
  for (let index = startFrame; ; index++) yield { ...picture, index, sourceIndex: 0 };
}
