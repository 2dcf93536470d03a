/** Detected boxes into faces: what the landmarks confirm, each face once. */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { DetectedBox } from './detector.ts';
import { type Box, boundsOf, boxArea, intersection } from './geometry.ts';
import type { LandmarkReader, LandmarkReading } from './landmarks.ts';

export interface ConfirmedFace extends LandmarkReading {
  /** The bounds of its landmarks: more exact than the detected box. */
  readonly box: Box;
}

/** Share of the smaller face that another may cover. Detectors see a face in half a face; heads do not nest. */
const MAX_COVERED = 0.5;

/** The faces among the boxes of a picture, in its pixels, largest first. */
export async function confirmFaces(
  picture: RgbPixels,
  boxes: readonly DetectedBox[],
  reader: LandmarkReader,
  signal: AbortSignal,
): Promise<readonly ConfirmedFace[]> {
  const faces: ConfirmedFace[] = [];
  for (const candidate of [...boxes].sort((a, b) => b.score - a.score)) {
    const reading = await reader.settle(picture, candidate, signal);
    if (reading === undefined) continue;
    const box = boundsOf(reading.points);
    const covered = (other: ConfirmedFace): number =>
      boxArea(intersection(box, other.box)) / Math.min(boxArea(box), boxArea(other.box));
    if (faces.every((other) => covered(other) <= MAX_COVERED)) faces.push({ ...reading, box });
  }
  return faces.sort((a, b) => boxArea(b.box) - boxArea(a.box));
}
