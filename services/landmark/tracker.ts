/**
 * Follows one face from frame to frame. Each frame's square comes from the landmarks of the frame before; the
 * detector looks only every few frames, or when the landmarks grow uncertain, and only around the place where the
 * face was last. Whatever it finds elsewhere is another person and never taken over.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { DetectedBox, FaceDetector } from './detector.ts';
import {
  type Box,
  boundsOf,
  boxCentre,
  longerSide,
  overlap,
  rigidCentre,
  type Square,
  squareAround,
} from './geometry.ts';
import type { LandmarkReader, LandmarkReading } from './landmarks.ts';

export interface TrackerConfig {
  /** Smallest confidence of landmarks that are believed, 0 to 1. */
  readonly minConfidence: number;
  /** Frames between looks of the detector at a face that is followed. */
  readonly detectEvery: number;
  /**
   * Looks in a row that may find nothing where the landmarks are certain. Detectors miss a face now and then that
   * landmarks follow well; a face that is gone stays unseen.
   */
  readonly maxUnseenLooks: number;
  /** Side of the area in which the face is looked for, in sides of its last box. It grows while the face is lost. */
  readonly searchScale: number;
  /** Overlap with a detected box below which the landmarks have drifted off the face. */
  readonly minOverlap: number;
  /** Largest move from one frame to the next, in sides of the face's box. A lost face may move that far in each frame. */
  readonly maxMove: number;
  /**
   * Largest move of a face that was lost, however long, in sides of its box. Less than the distance of two heads
   * side by side, so that the neighbour is never taken for the one that went.
   */
  readonly maxReach: number;
  /** Largest change of size from one sight of the face to the next, as a factor. */
  readonly maxGrowth: number;
  /** Distance of the face from the middle of its square beyond which it is read again, in sides of the square. */
  readonly maxOffCentre: number;
}

export const DEFAULT_TRACKER: TrackerConfig = {
  minConfidence: 0.5,
  detectEvery: 10,
  maxUnseenLooks: 3,
  searchScale: 2,
  minOverlap: 0.3,
  maxMove: 0.35,
  maxReach: 0.8,
  maxGrowth: 1.4,
  maxOffCentre: 0.08,
};

/** Share of a frame in the slow averages of the face's size and of its middle relative to the rigid points. */
const FOLLOW_RATE = 0.1;

export interface FaceTracker {
  /** The face in the next picture; points are in pixels of that picture. */
  next(picture: RgbPixels, signal: AbortSignal): Promise<LandmarkReading | undefined>;
}

interface Following {
  /** Where the next frame is read. */
  readonly square: Square;
  /** Middle of the bounds relative to the rigid centre, and the square's side, averaged slowly. */
  readonly offset: { readonly x: number; readonly y: number };
  readonly rigid: { readonly x: number; readonly y: number };
}

/** @param seed the box of the face to follow, in pixels of the first picture */
export function createFaceTracker(
  detector: FaceDetector,
  reader: LandmarkReader,
  squareScale: number,
  config: TrackerConfig,
  seed: Box,
): FaceTracker {
  let last: { box: Box; following: Following | undefined } = { box: seed, following: undefined };
  let missed = 0;
  let sinceLook = 0;
  let unseen = 0;

  /** Takes a reading over as where the face is now, and plans where the next frame is read. */
  function follow(reading: LandmarkReading, before: Following | undefined): LandmarkReading {
    const bounds = boundsOf(reading.points);
    const rigid = rigidCentre(reading.points);
    const middle = boxCentre(bounds);
    const now = { x: middle.x - rigid.x, y: middle.y - rigid.y };
    const side = longerSide(bounds) * squareScale;
    const rate = before === undefined ? 1 : FOLLOW_RATE;
    const offset = {
      x: (before?.offset.x ?? 0) * (1 - rate) + now.x * rate,
      y: (before?.offset.y ?? 0) * (1 - rate) + now.y * rate,
    };
    const sidePx = (before?.square.sidePx ?? 0) * (1 - rate) + side * rate;
    // Half of the last move: a head that keeps moving is met half way, one that stops is not overshot far.
    const aheadX = before === undefined ? 0 : (rigid.x - before.rigid.x) / 2;
    const aheadY = before === undefined ? 0 : (rigid.y - before.rigid.y) / 2;
    const square = { centreX: rigid.x + offset.x + aheadX, centreY: rigid.y + offset.y + aheadY, sidePx };
    last = { box: bounds, following: { square, offset, rigid } };
    missed = 0;
    return reading;
  }

  /** Whether a box can be the face that was last at `last.box`. */
  function isSame(box: Box): boolean {
    const side = longerSide(last.box);
    const [a, b] = [boxCentre(box), boxCentre(last.box)];
    const reach = side * Math.min(config.maxReach, config.maxMove * (1 + missed));
    const growth = longerSide(box) / side;
    return (
      Math.hypot(a.x - b.x, a.y - b.y) <= reach &&
      growth <= config.maxGrowth &&
      growth >= 1 / config.maxGrowth
    );
  }

  async function look(picture: RgbPixels, signal: AbortSignal): Promise<DetectedBox | undefined> {
    sinceLook = 0;
    const centre = boxCentre(last.box);
    const reach = 1 + Math.min(config.maxReach, config.maxMove * missed);
    const sidePx = longerSide(last.box) * config.searchScale * reach;
    const square = { left: centre.x - sidePx / 2, top: centre.y - sidePx / 2, sidePx };
    const [faces] = await detector.findWithin([{ picture, square }], signal);
    const mine = faces!.filter(isSame);
    const distance = (box: Box): number => {
      const c = boxCentre(box);
      return Math.hypot(c.x - centre.x, c.y - centre.y);
    };
    return mine.sort((a, b) => distance(a) - distance(b))[0];
  }

  /** Reads a face from its box: once to place the square by the landmarks, once more in that square. */
  async function readAfresh(
    picture: RgbPixels,
    box: Box,
    signal: AbortSignal,
  ): Promise<LandmarkReading | undefined> {
    const rough = await reader.read(picture, squareAround(box, squareScale), signal);
    if (rough.confidence < config.minConfidence) return undefined;
    const fine = await reader.read(picture, squareAround(boundsOf(rough.points), squareScale), signal);
    return fine.confidence >= config.minConfidence && isSame(boundsOf(fine.points)) ? fine : undefined;
  }

  /** Reads a face where it is expected, and once more around what was found when that is not in the middle. */
  async function readCentred(
    picture: RgbPixels,
    square: Square,
    signal: AbortSignal,
  ): Promise<LandmarkReading> {
    const reading = await reader.read(picture, square, signal);
    if (reading.confidence < config.minConfidence) return reading;
    const bounds = boundsOf(reading.points);
    const centre = boxCentre(bounds);
    const off = Math.hypot(centre.x - square.centreX, centre.y - square.centreY);
    if (off <= config.maxOffCentre * square.sidePx) return reading;
    return reader.read(picture, squareAround(bounds, squareScale), signal);
  }

  /** What a followed face gives: landmarks to go on with, or the box from which to start afresh. */
  async function keep(
    picture: RgbPixels,
    from: Following,
    signal: AbortSignal,
  ): Promise<{ readonly reading?: LandmarkReading; readonly seen?: DetectedBox | undefined }> {
    const reading = await readCentred(picture, from.square, signal);
    const bounds = boundsOf(reading.points);
    if (reading.confidence < config.minConfidence || !isSame(bounds))
      return { seen: await look(picture, signal) };
    sinceLook++;
    if (sinceLook < config.detectEvery && unseen === 0) return { reading };
    const seen = await look(picture, signal);
    if (seen !== undefined) {
      unseen = 0;
      return overlap(seen, bounds) >= config.minOverlap ? { reading } : { seen };
    }
    unseen++;
    return unseen <= config.maxUnseenLooks ? { reading } : {};
  }

  return {
    async next(picture, signal) {
      const { following } = last;
      let box: Box | undefined;
      if (following === undefined) {
        box = missed === 0 ? seed : await look(picture, signal);
      } else {
        const { reading, seen } = await keep(picture, following, signal);
        if (reading !== undefined) return follow(reading, following);
        box = seen;
      }
      const reading = box && (await readAfresh(picture, box, signal));
      if (reading !== undefined) return follow(reading, undefined);
      last = { box: last.box, following: undefined };
      missed++;
      return undefined;
    },
  };
}
