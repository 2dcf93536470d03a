/** Every face of one picture that came as bytes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invalidField } from '#lib/fault/fault.ts';
import { openFrames } from '#lib/media/frames.ts';
import { fileFault } from '#lib/media/media-fault.ts';
import { probeMedia } from '#lib/media/probe.ts';
import type { RgbFrame } from '#lib/media/rgb-frame.ts';
import type { LandmarkConfig } from './config.ts';
import { createFaceDetector, type DetectedBox } from './detector.ts';
import { squareAround } from './geometry.ts';
import { createLandmarkReader, type LandmarkReading } from './landmarks.ts';
import { checkPictureSize } from './request.ts';
import { scaleBox } from './survey.ts';
import { scalePoints, type TrackGraphs } from './track.ts';

const FIELD = 'image';

export interface DetectedFaces {
  readonly width: number;
  readonly height: number;
  /** Largest first; boxes and points in picture pixels. */
  readonly faces: readonly (LandmarkReading & { readonly box: DetectedBox })[];
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
    const read = async (maxEdgePx: number): Promise<RgbFrame> => {
      const { value } = await openFrames(path, { ...options, info, frameRate: ONE, maxEdgePx }).next();
      return value as RgbFrame;
    };

    const detector = createFaceDetector(graphs.detector, config.detector);
    const reader = createLandmarkReader(graphs.landmarks, { ...config.reader, squareScale });
    const overview = await read(config.surveyEdgePx);
    const boxes = await detector.find(overview, 'all', signal);
    const wantedPx = graphs.landmarks.inputPx;
    const isSmall = (box: DetectedBox): boolean => squareAround(box, squareScale).sidePx < wantedPx;
    const detail = boxes.some(isSmall) ? await read(config.maxTrackEdgePx) : overview;

    const faces: (LandmarkReading & { box: DetectedBox })[] = [];
    for (const box of boxes) {
      const picture = isSmall(box) ? detail : overview;
      const [across, down] = [picture.width / overview.width, picture.height / overview.height];
      const reading = await reader.settle(picture, scaleBox(box, across, down), signal);
      if (reading === undefined) continue;
      faces.push({
        ...reading,
        points: scalePoints(reading.points, info.width / picture.width, info.height / picture.height),
        box: {
          ...scaleBox(box, info.width / overview.width, info.height / overview.height),
          score: box.score,
        },
      });
    }
    return { width: info.width, height: info.height, faces };
  });
}

/** A photograph has no rate; the frame reader wants one all the same. */
const ONE = { numerator: 1, denominator: 1 } as const;

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
