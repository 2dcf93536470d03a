/**
 * 68 points from the square around a face. The graph reads one upright square; reading the same face in several
 * squares that differ by a little and averaging takes away most of what is noise of the crop (measured on real
 * clips, 14 crops: 0.8-1.6 px of jitter became 0.3-0.4), at the price of one image a crop.
 */
import { LANDMARK_COUNT } from '#lib/inference/manifest.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { LandmarkGraph } from './face-graphs.ts';
import {
  type Box,
  boundsOf,
  longerSide,
  overlap,
  type Square,
  scaleAboutCentre,
  squareAround,
} from './geometry.ts';
import { sampleSquare } from './sampling.ts';
import type { LandmarkPoints } from './topology.ts';

export interface LandmarkReaderConfig {
  /** Squares that are read and averaged for each face, 1 to 16. */
  readonly averagedCrops: number;
  /** Shift of the averaged squares, as a fraction of the side. */
  readonly cropShift: number;
  /** Their growth and shrinkage, as a fraction of the side. */
  readonly cropStretch: number;
  /** Side of the square that the graph reads, in longer sides of the face's box: the bundle's squareScale. */
  readonly squareScale: number;
  /** Smallest confidence of landmarks that are believed, 0 to 1. */
  readonly minConfidence: number;
}

export interface LandmarkReading {
  /** Picture pixels. */
  readonly points: LandmarkPoints;
  /** For each point, whether it is in plain sight, 0 to 1. */
  readonly visibility: Float32Array;
  /** Whether this is a face at all, 0 to 1. */
  readonly confidence: number;
}

export interface LandmarkReader {
  /** Reads one square, as it is. */
  read(picture: RgbPixels, square: Square, signal: AbortSignal): Promise<LandmarkReading>;
  /** The reading, when it is certain enough to be a face. */
  believed(reading: LandmarkReading): LandmarkReading | undefined;
  /**
   * Reads the face in a rough box: the landmarks of each pass place the square of the next, until it rests.
   * Undefined when what is there is no face.
   */
  settle(picture: RgbPixels, box: Box, signal: AbortSignal): Promise<LandmarkReading | undefined>;
}

/** Sizes at which a rough box is tried: detectors err towards large boxes around small faces. */
const ROUGH_SCALES = [1, 0.65] as const;
/** Passes at most from a rough box to the landmarks. */
const MAX_PASSES = 4;
/** Overlap of the bounds of two passes from which the square rests. */
const RESTING_OVERLAP = 0.9;
/** A face far off the middle of its square looks little like one; the first passes ask for less certainty. */
const ROUGH_CONFIDENCE = 0.4;

export function createLandmarkReader(graph: LandmarkGraph, config: LandmarkReaderConfig): LandmarkReader {
  const reader: LandmarkReader = {
    believed: (reading) => (reading.confidence >= config.minConfidence ? reading : undefined),
    async settle(picture, box, signal) {
      for (const scale of ROUGH_SCALES) {
        const reading = await settleFrom(picture, scaleAboutCentre(box, scale), signal);
        if (reading !== undefined) return reading;
      }
      return undefined;
    },
    async read(picture, square, signal) {
      const squares = variations(square, config);
      const size = graph.inputPx;
      const images = new Float32Array(squares.length * 3 * size * size);
      for (const [i, { centreX, centreY, sidePx }] of squares.entries()) {
        const sampled = { left: centreX - sidePx / 2, top: centreY - sidePx / 2, sidePx };
        sampleSquare(picture, sampled, size, images, i * 3 * size * size);
      }
      const output = await graph.run(images, squares.length, signal);
      const points = new Float64Array(2 * LANDMARK_COUNT);
      const visibility = new Float32Array(LANDMARK_COUNT);
      let confidence = 0;
      for (const [i, { centreX, centreY, sidePx }] of squares.entries()) {
        const share = 1 / squares.length;
        for (let p = 0; p < LANDMARK_COUNT; p++) {
          const at = 2 * (i * LANDMARK_COUNT + p);
          points[2 * p] = points[2 * p]! + share * (centreX + sidePx * (output.points[at]! - 0.5));
          points[2 * p + 1] =
            points[2 * p + 1]! + share * (centreY + sidePx * (output.points[at + 1]! - 0.5));
          visibility[p] = visibility[p]! + share * output.visibility[i * LANDMARK_COUNT + p]!;
        }
        confidence += share * output.confidence[i]!;
      }
      return { points, visibility, confidence };
    },
  };
  return reader;

  async function settleFrom(
    picture: RgbPixels,
    box: Box,
    signal: AbortSignal,
  ): Promise<LandmarkReading | undefined> {
    let bounds = box;
    for (let pass = 1; ; pass++) {
      const reading = await reader.read(picture, squareAround(bounds, config.squareScale), signal);
      const found = boundsOf(reading.points);
      if (overlap(found, bounds) >= RESTING_OVERLAP || pass === MAX_PASSES) return reader.believed(reading);
      if (reading.confidence < ROUGH_CONFIDENCE || longerSide(found) === 0) return undefined;
      bounds = found;
    }
  }
}

/** The square itself, or several around it: evenly spread shifts, every other one grown, the rest shrunk. */
export function variations(square: Square, config: LandmarkReaderConfig): readonly Square[] {
  const count = config.averagedCrops;
  if (count === 1) return [square];
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * (i + 0.25)) / count;
    const shift = square.sidePx * config.cropShift;
    return {
      centreX: square.centreX + shift * Math.cos(angle),
      centreY: square.centreY + shift * Math.sin(angle),
      sidePx: square.sidePx * (1 + config.cropStretch * (i % 2 === 0 ? 1 : -1)),
    };
  });
}
