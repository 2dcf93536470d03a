/**
 * Follows one face from frame to frame. Each frame's square comes from the landmarks of the frames before; the
 * detector looks only every few frames, or when the landmarks are uncertain, and only around the place where the
 * face was last. Whatever it finds elsewhere is another person and never taken over.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { FaceDetector } from './detector.ts';
import { extendPath, type FacePath } from './face-path.ts';
import { type Box, boundsOf, boxCentre, longerSide } from './geometry.ts';
import type { LandmarkReader, LandmarkReading } from './landmarks.ts';

export interface TrackerConfig {
  /** Frames between looks of the detector at a face that is followed. */
  readonly detectEvery: number;
  /**
   * Looks in a row that may find nothing where the landmarks are certain. Detectors miss a face now and then that
   * landmarks follow well; a face that is gone stays unseen.
   */
  readonly maxUnseenLooks: number;
  /** Side of the area in which the detector looks, in sides of the face's last box. */
  readonly searchScale: number;
  /** Largest move from one frame to the next, in sides of the face's box. */
  readonly maxMove: number;
  /**
   * Largest move of a face that was lost from sight, however long, in sides of its box. Less than the distance of
   * two heads side by side, so that the neighbour is never taken for the one that went.
   */
  readonly maxReach: number;
  /** Largest change of size from one sight of the face to the next, as a factor. */
  readonly maxGrowth: number;
  /** Distance of the face from the middle of its square beyond which it is read again, in sides of its box. */
  readonly maxOffCentre: number;
}

export const DEFAULT_TRACKER: TrackerConfig = {
  detectEvery: 10,
  maxUnseenLooks: 3,
  searchScale: 2.6,
  maxMove: 0.35,
  maxReach: 0.8,
  maxGrowth: 1.4,
  maxOffCentre: 0.12,
};

export interface FaceTracker {
  /** The face in the next picture, in its pixels; undefined when it is not seen there. */
  next(picture: RgbPixels, signal: AbortSignal): Promise<LandmarkReading | undefined>;
}

/** @param seed the box of the face to follow, in pixels of the first picture */
export function createFaceTracker(
  detector: FaceDetector,
  reader: LandmarkReader,
  squareScale: number,
  config: TrackerConfig,
  seed: Box,
): FaceTracker {
  let box = seed;
  let path: FacePath | undefined;
  let started = false;
  let sinceLook = 0;
  let unseen = 0;

  /** How far a box is from where the face was last, in sides of the face's box. */
  function moved(other: Box, from = box): number {
    const [a, b] = [boxCentre(other), boxCentre(from)];
    return Math.hypot(a.x - b.x, a.y - b.y) / longerSide(from);
  }

  /** Whether landmarks can be those of the face that was last at `box`. */
  function isSame({ points }: LandmarkReading, reach: number): boolean {
    const bounds = boundsOf(points);
    const growth = longerSide(bounds) / longerSide(box);
    return moved(bounds) <= reach && growth <= config.maxGrowth && growth >= 1 / config.maxGrowth;
  }

  /** The detected box nearest to where the face was last. Boxes are rough, so only their places are judged. */
  async function look(picture: RgbPixels, signal: AbortSignal): Promise<Box | undefined> {
    sinceLook = 0;
    const { x, y } = boxCentre(box);
    const sidePx = longerSide(box) * config.searchScale;
    const square = { left: x - sidePx / 2, top: y - sidePx / 2, sidePx };
    const [faces] = await detector.findWithin([{ picture, square }], signal);
    const near = faces!.filter((face) => moved(face) <= config.maxReach);
    return near.sort((a, b) => moved(a) - moved(b))[0];
  }

  /** The face where it is expected; read again around what was found when that is not in the middle. */
  async function readAhead(
    picture: RgbPixels,
    { square }: FacePath,
    signal: AbortSignal,
  ): Promise<LandmarkReading | undefined> {
    const first = await reader.read(picture, square, signal);
    const bounds = boundsOf(first.points);
    const centred =
      moved(bounds, squareBox(square.centreX, square.centreY, longerSide(box))) <= config.maxOffCentre;
    const reading = centred ? reader.believed(first) : await reader.settle(picture, bounds, signal);
    return reading !== undefined && isSame(reading, config.maxMove) ? reading : undefined;
  }

  /** Landmarks to go on with, or the box from which to start afresh. */
  async function keep(
    picture: RgbPixels,
    from: FacePath,
    signal: AbortSignal,
  ): Promise<{ readonly reading?: LandmarkReading; readonly seen?: Box | undefined }> {
    const reading = await readAhead(picture, from, signal);
    if (reading === undefined) return { seen: await look(picture, signal) };
    sinceLook++;
    if (sinceLook < config.detectEvery && unseen === 0) return { reading };
    const seen = await look(picture, signal);
    if (seen === undefined) {
      unseen++;
      return unseen <= config.maxUnseenLooks ? { reading } : {};
    }
    unseen = 0;
    return moved(seen, boundsOf(reading.points)) <= config.maxMove ? { reading } : { seen };
  }

  function follow(reading: LandmarkReading, before: FacePath | undefined): LandmarkReading {
    box = boundsOf(reading.points);
    path = extendPath(reading.points, squareScale, before);
    return reading;
  }

  return {
    async next(picture, signal) {
      let start: Box | undefined;
      if (path !== undefined) {
        const { reading, seen } = await keep(picture, path, signal);
        if (reading !== undefined) return follow(reading, path);
        start = seen;
      } else {
        start = started ? await look(picture, signal) : seed;
        started = true;
      }
      const reading = start && (await reader.settle(picture, start, signal));
      if (reading !== undefined && isSame(reading, config.maxReach)) {
        unseen = 0;
        return follow(reading, undefined);
      }
      path = undefined;
      return undefined;
    },
  };
}

function squareBox(x: number, y: number, sidePx: number): Box {
  return { x0: x - sidePx / 2, y0: y - sidePx / 2, x1: x + sidePx / 2, y1: y + sidePx / 2 };
}
