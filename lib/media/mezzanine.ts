/**
 * A source's pictures, uncompressed on disk, so that they can be shown in any order. They are kept as the 4:2:0
 * pictures from which the first pass made its RGB frames (half the size, and the same conversion again gives the
 * same bytes); a file of raw pictures has no index, no seek and no codec that could miss a frame.
 */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type FfmpegProcess, startFfmpeg } from './ffmpeg-process.ts';
import { fileFault, hostFault, mediaFault, unreadableFault } from './media-fault.ts';
import { DEFAULT_TOOLS } from './media-input.ts';
import { decodePlanar, type PicturePlan, type PlanarTee, RAW } from './picture-decoder.ts';
import { toRgb } from './picture-filter.ts';

export interface Mezzanine {
  /** Where a decoding run may write the pictures as it goes. */
  readonly tee: PlanarTee;
  /**
   * Takes the file's name away once a decoding run has opened it: it is then gone from the disk when both
   * processes are, however they end.
   */
  hide(): Promise<void>;
  /** Decodes the whole source into the file. */
  fill(): Promise<void>;
  /** A process that gives the RGB frames of the pictures that `order` names, one after the other. */
  play(order: Iterable<number>): Promise<FfmpegProcess>;
  /** How many pictures the source has, once they are on disk. Fault SOURCE_TOO_LONG_TO_MIRROR at the limit. */
  count(): Promise<number>;
  /** Deletes everything. */
  remove(): Promise<void>;
}

export async function createMezzanine(
  plan: PicturePlan,
  tempFolder: string,
  maxBytes: number,
): Promise<Mezzanine> {
  const folder = await mkdtemp(join(tempFolder, 'talkmesh-mezzanine-')).catch((error: unknown) => {
    throw fileFault(error);
  });
  const path = join(folder, 'pictures.yuv');
  const tee = { path, maxBytes };
  const pictureBytes = planarBytes(plan.size.width, plan.size.height);
  let file: FileHandle | undefined;

  const openFile = async () => {
    file ??= await open(path, 'r').catch((error: unknown) => {
      throw fileFault(error);
    });
    return file;
  };
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  return {
    tee,
    hide: async () => {
      await openFile();
      await removeFolder();
    },
    count: async () => {
      const { size } = await (await openFile()).stat();
      if (size >= maxBytes) throw tooLongToMirrorFault(plan, maxBytes);
      return size / pictureBytes;
    },
    fill: async () => {
      const decoder = decodePlanar(plan, tee);
      try {
        await decoder.done;
      } finally {
        await decoder.stop();
      }
    },
    play: async (order) => {
      const pictures = readPictures(await openFile(), pictureBytes, order);
      return convert(plan, Readable.from(pictures, { objectMode: false }));
    },
    remove: async () => {
      await file?.close();
      await removeFolder();
    },
  };
}

/** The fault of a source that would fill the disk if it were played backwards. */
function tooLongToMirrorFault(plan: PicturePlan, maxBytes: number) {
  return mediaFault(
    'SOURCE_TOO_LONG_TO_MIRROR',
    plan.options.field ?? 'source',
    `it is shorter than the voice, but playing it back and forth would take more than ${maxBytes} bytes of disk; ` +
      'send a shorter, a smaller or a sufficiently long source',
    { maxBytes: String(maxBytes) },
  );
}

function planarBytes(width: number, height: number): number {
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

async function* readPictures(
  file: FileHandle,
  bytes: number,
  order: Iterable<number>,
): AsyncGenerator<Buffer> {
  for (const picture of order) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(bytes), 0, bytes, picture * bytes);
    if (bytesRead !== bytes) throw fileFault(new Error(`picture ${picture}: ${bytesRead} of ${bytes} bytes`));
    yield buffer;
  }
}

function convert(plan: PicturePlan, pictures: Readable): FfmpegProcess {
  const { info, options, size } = plan;
  const tools = options.tools ?? DEFAULT_TOOLS;
  const { numerator, denominator } = options.frameRate;
  const converter = startFfmpeg({
    inputs: [
      {
        source: pictures,
        options: [
          ...['-protocol_whitelist', 'pipe', '-f', 'rawvideo', '-pixel_format', 'yuv420p'],
          ...['-video_size', `${size.width}x${size.height}`, '-framerate', `${numerator}/${denominator}`],
        ],
      },
    ],
    filterGraph: `[0:v]${toRgb(info)}[rgb]`,
    outputs: [{ target: 'pipe', options: ['-map', '[rgb]', ...RAW] }],
    tools,
    signal: options.signal,
    fault: (failure) =>
      hostFault(failure, tools) ?? unreadableFault(options.field ?? 'source', failure.error),
  });
  return {
    ...converter,
    stop: async () => {
      await converter.stop();
      pictures.destroy();
    },
  };
}
