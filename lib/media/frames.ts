import { readPhotograph } from './photograph.ts';
import { decodePictures, type FramesOptions, planPictures, readFrames } from './picture-decoder.ts';
import { DEFAULT_LIMITS } from './probe.ts';
import type { RgbFrame } from './rgb-frame.ts';

/**
 * The pictures of a video at the output rate, or the one picture of a photograph, as RGB. The same file at the
 * same rate gives the same frames, index by index, whatever `startFrame`; `maxEdgePx` changes their size only.
 * Rotation is obeyed, pixels are made square. ffmpeg decodes only as far ahead as its pipe holds, and is killed
 * when the caller stops or the signal aborts. Faults: those of `probeMedia`, MEDIA_NO_PICTURE, FFMPEG_KILLED.
 */
export async function* openFrames(path: string, options: FramesOptions): AsyncGenerator<RgbFrame> {
  const plan = await planPictures(path, options);
  const startFrame = options.startFrame ?? 0;
  if (plan.info.kind === 'photograph') {
    if (startFrame === 0) yield await readPhotograph(path, photographOptions(options));
    return;
  }
  const { width, height } = plan.size;
  let index = startFrame;
  for await (const data of readFrames(decodePictures(plan), width * height * 3, plan)) {
    yield { index, width, height, data };
    index += 1;
  }
}

export function photographOptions(options: FramesOptions) {
  return {
    maxEdgePx: options.maxEdgePx,
    maxPixels: options.limits?.maxPixels ?? DEFAULT_LIMITS.maxPixels,
    field: options.field ?? 'source',
  };
}
