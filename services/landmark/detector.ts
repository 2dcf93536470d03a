/**
 * Faces in a picture. The graph sees a small square, so a face that is small in a large picture is lost when the
 * whole picture is fitted into it. Where the first look finds nothing, closer looks follow on overlapping tiles.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { DetectorGraph } from './face-graphs.ts';
import { type Box, boxArea, overlap } from './geometry.ts';
import { letterboxSquare, type SampledSquare, sampleSquare } from './sampling.ts';

export interface DetectorConfig {
  /** Smallest score of a face, 0 to 1. */
  readonly minScore: number;
  /** Overlap (intersection over union) from which two boxes are one face. */
  readonly maxOverlap: number;
  /** Closer looks at most; each halves the tile. 0 looks at the whole picture only. */
  readonly maxCloserLooks: number;
  /** Tiles in one run of the graph. */
  readonly maxBatch: number;
}

export const DEFAULT_DETECTOR: DetectorConfig = {
  minScore: 0.5,
  maxOverlap: 0.4,
  maxCloserLooks: 3,
  maxBatch: 8,
};

export interface DetectedBox extends Box {
  readonly score: number;
}

export interface FaceDetector {
  /** The faces of a picture, largest first: from the first look that finds any, or from all looks together. */
  find(
    picture: RgbPixels,
    looks: 'until-found' | 'all',
    signal: AbortSignal,
  ): Promise<readonly DetectedBox[]>;
  /** The faces of one square of each picture, largest first, as when the place of a face is known roughly. */
  findWithin(
    areas: readonly { readonly picture: RgbPixels; readonly square: SampledSquare }[],
    signal: AbortSignal,
  ): Promise<readonly (readonly DetectedBox[])[]>;
}

export function createFaceDetector(graph: DetectorGraph, config: DetectorConfig): FaceDetector {
  async function findWithin(
    areas: readonly { readonly picture: RgbPixels; readonly square: SampledSquare }[],
    signal: AbortSignal,
  ): Promise<DetectedBox[][]> {
    const size = graph.inputPx;
    const found: DetectedBox[][] = [];
    for (let start = 0; start < areas.length; start += config.maxBatch) {
      const batch = areas.slice(start, start + config.maxBatch);
      const images = new Float32Array(batch.length * 3 * size * size);
      for (const [i, { picture, square }] of batch.entries()) {
        sampleSquare(picture, square, size, images, i * 3 * size * size);
      }
      const { boxes, scores } = await graph.run(images, batch.length, signal);
      const perImage = scores.length / batch.length;
      for (const [i, { picture, square }] of batch.entries()) {
        const mine = decodeBoxes(
          boxes.subarray(i * perImage * 4, (i + 1) * perImage * 4),
          scores.subarray(i * perImage, (i + 1) * perImage),
          square,
          size,
          config.minScore,
        );
        found.push(
          suppressOverlaps(
            mine.filter((box) => !isCutByTile(box, square, picture)),
            config.maxOverlap,
          ),
        );
      }
    }
    return found;
  }

  return {
    findWithin,
    async find(picture, looks, signal) {
      const all: DetectedBox[] = [];
      for (const tiles of planLooks(picture.width, picture.height, graph.inputPx, config.maxCloserLooks)) {
        const faces = await findWithin(
          tiles.map((square) => ({ picture, square })),
          signal,
        );
        all.push(...faces.flat());
        if (looks === 'until-found' && all.length > 0) break;
      }
      return suppressOverlaps(all, config.maxOverlap);
    },
  };
}

/**
 * The squares of each look. First the whole picture; then tiles that overlap by half or more, of the shorter edge
 * where the picture is not square and then of half the side each time, down to the graph's own size, at which
 * closer looks would only enlarge pixels.
 */
export function planLooks(
  width: number,
  height: number,
  inputPx: number,
  maxCloserLooks: number,
): readonly (readonly SampledSquare[])[] {
  const looks: SampledSquare[][] = [[letterboxSquare(width, height)]];
  const shorter = Math.min(width, height);
  let sidePx = Math.max(width, height) >= 1.25 * shorter ? shorter : shorter / 2;
  while (looks.length <= maxCloserLooks && sidePx >= inputPx) {
    const tiles: SampledSquare[] = [];
    for (const top of tileStarts(height, sidePx)) {
      for (const left of tileStarts(width, sidePx)) tiles.push({ left, top, sidePx });
    }
    looks.push(tiles);
    sidePx /= 2;
  }
  return looks;
}

function tileStarts(lengthPx: number, sidePx: number): number[] {
  const room = lengthPx - sidePx;
  const gaps = Math.ceil((2 * room) / sidePx);
  return Array.from({ length: gaps + 1 }, (_, i) => (gaps === 0 ? 0 : (room * i) / gaps));
}

function decodeBoxes(
  boxes: Float32Array,
  scores: Float32Array,
  square: SampledSquare,
  inputPx: number,
  minScore: number,
): DetectedBox[] {
  const scale = square.sidePx / inputPx;
  const decoded: DetectedBox[] = [];
  for (const [i, score] of scores.entries()) {
    // A score or a corner that is not a number fails the comparison.
    if (!(score >= minScore)) continue;
    const box = {
      x0: square.left + boxes[4 * i]! * scale,
      y0: square.top + boxes[4 * i + 1]! * scale,
      x1: square.left + boxes[4 * i + 2]! * scale,
      y1: square.top + boxes[4 * i + 3]! * scale,
      score,
    };
    if (box.x1 > box.x0 && box.y1 > box.y0) decoded.push(box);
  }
  return decoded;
}

/** Whether a box ends at an edge of the tile that lies inside the picture: part of a face that another tile sees. */
function isCutByTile(box: Box, square: SampledSquare, picture: RgbPixels): boolean {
  const margin = square.sidePx / 64;
  const right = square.left + square.sidePx;
  const bottom = square.top + square.sidePx;
  return (
    (square.left > 0 && box.x0 < square.left + margin) ||
    (square.top > 0 && box.y0 < square.top + margin) ||
    (right < picture.width && box.x1 > right - margin) ||
    (bottom < picture.height && box.y1 > bottom - margin)
  );
}

/** Greedy non-maximum suppression: of boxes that overlap more than `maxOverlap`, the best. Largest first. */
export function suppressOverlaps(boxes: readonly DetectedBox[], maxOverlap: number): DetectedBox[] {
  const kept: DetectedBox[] = [];
  for (const box of [...boxes].sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(box, other) <= maxOverlap)) kept.push(box);
  }
  return kept.sort((a, b) => boxArea(b) - boxArea(a));
}
