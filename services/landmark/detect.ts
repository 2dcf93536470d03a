/** Every face of one picture that came as bytes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invalidField } from '#lib/fault/fault.ts';
import { fileFault } from '#lib/media/media-fault.ts';
import { readPhotograph } from '#lib/media/photograph.ts';
import type { PictureSize } from '#lib/media/picture-filter.ts';
import { DEFAULT_LIMITS, probeMedia } from '#lib/media/probe.ts';
import type { RgbFrame } from '#lib/media/rgb-frame.ts';
import type { LandmarkConfig } from './config.ts';
import { type ConfirmedFace, confirmFaces } from './confirm.ts';
import { createFaceDetector } from './detector.ts';
import { boundsOf, squareAround } from './geometry.ts';
import { createLandmarkReader, type LandmarkReading } from './landmarks.ts';
import { checkPictureSize } from './request.ts';
import { scaleBox } from './survey.ts';
import { scalePoints, type TrackGraphs } from './track.ts';

const FIELD = 'image';

export interface DetectedFaces {
  readonly width: number;
  readonly height: number;
  /** Largest first; boxes and points in picture pixels. */
  readonly faces: readonly ConfirmedFace[];
}

/**
 * @throws Fault of the media, IMAGE_TOO_LARGE, IMAGE_NOT_A_PHOTOGRAPH, PICTURE_TOO_SMALL. A picture without a face
 * is no fault.
 */
export async function detectFaces(
  image: Uint8Array,
  graphs: TrackGraphs,
  squareScale: number,
  config: LandmarkConfig,
  signal: AbortSignal,
): Promise<DetectedFaces> {
  if (image.byteLength > config.maxImageBytes) {
    const description = `has ${image.byteLength} bytes; at most ${config.maxImageBytes} are read; send a smaller picture`;
    throw invalidField('IMAGE_TOO_LARGE', FIELD, description);
  }
  return withFile(image, async (path) => {
    const options = { signal, limits: config.media, tools: config.tools, field: FIELD };
    const info = await probeMedia(path, options);
    if (info.kind !== 'photograph') {
      throw invalidField(
        'IMAGE_NOT_A_PHOTOGRAPH',
        FIELD,
        'is not a picture; send a JPEG, PNG, WebP or AVIF file',
      );
    }
    checkPictureSize(info, config.minEdgePx, FIELD);
    const maxPixels = config.media.maxPixels ?? DEFAULT_LIMITS.maxPixels;
    const read = (maxEdgePx: number): Promise<RgbFrame> =>
      readPhotograph(path, { maxEdgePx, maxPixels, field: FIELD });

    const detector = createFaceDetector(graphs.detector, config.detector);
    const reader = createLandmarkReader(graphs.landmarks, { ...config.reader, squareScale });
    const overview = await read(config.surveyEdgePx);
    const boxes = await detector.find(overview, 'all', signal);
    const found = await confirmFaces(overview, boxes, reader, signal);
    const isSmall = ({ box }: ConfirmedFace): boolean =>
      squareAround(box, squareScale).sidePx < graphs.landmarks.inputPx;
    const detail = found.some(isSmall) ? await read(config.maxTrackEdgePx) : overview;

    const faces: ConfirmedFace[] = [];
    for (const face of found) {
      const closer = scaleBox(face.box, detail.width / overview.width, detail.height / overview.height);
      const reading = isSmall(face) ? await reader.settle(detail, closer, signal) : undefined;
      faces.push(reading === undefined ? enlarged(face, overview, info) : enlarged(reading, detail, info));
    }
    return { width: info.width, height: info.height, faces };
  });
}

/** A reading of a smaller copy, in pixels of the picture. */
function enlarged(reading: LandmarkReading, copy: PictureSize, picture: PictureSize): ConfirmedFace {
  const points = scalePoints(reading.points, picture.width / copy.width, picture.height / copy.height);
  return { ...reading, points, box: boundsOf(points) };
}

/** The decoders read files. The folder is private to this user and gone when the work is. */
async function withFile<T>(bytes: Uint8Array, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'talkmesh-detect-')).catch((error: unknown) => {
    throw fileFault(error);
  });
  try {
    const path = join(folder, 'picture');
    await writeFile(path, bytes).catch((error: unknown) => {
      throw fileFault(error);
    });
    return await work(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
