import { describe, expect, it } from 'vitest';
import { confirmFaces } from './confirm.ts';
import type { LandmarkGraph } from './face-graphs.ts';
import { type Box, overlap } from './geometry.ts';
import { createLandmarkReader, type LandmarkReader } from './landmarks.ts';
import { createPaintedLandmarks, paintFaces } from './testing/painted-faces.ts';

const signal = new AbortController().signal;
const small: Box = { x0: 30, y0: 40, x1: 70, y1: 90 };
const large: Box = { x0: 200, y0: 60, x1: 300, y1: 180 };
const picture = paintFaces(400, 300, [small, large]);

function readerOf(landmarks: LandmarkGraph): LandmarkReader {
  const config = { averagedCrops: 1, cropShift: 0, cropStretch: 0, squareScale: 1.5, minConfidence: 0.5 };
  return createLandmarkReader(landmarks, config);
}

describe('confirmFaces', () => {
  it('bounds each face by its landmarks, however rough its box, largest first', async () => {
    const rough = [
      { x0: 20, y0: 30, x1: 90, y1: 100, score: 0.9 },
      { x0: 215, y0: 40, x1: 330, y1: 170, score: 0.6 },
    ];
    const faces = await confirmFaces(picture, rough, readerOf(createPaintedLandmarks()), signal);
    expect(faces).toHaveLength(2);
    expect(overlap(faces[0]!.box, large)).toBeGreaterThan(0.95);
    expect(overlap(faces[1]!.box, small)).toBeGreaterThan(0.9);
  });

  it('counts a face once that was seen in several boxes', async () => {
    const boxes = [
      { ...large, score: 0.9 },
      { x0: 180, y0: 50, x1: 280, y1: 150, score: 0.7 },
      { x0: 230, y0: 90, x1: 310, y1: 190, score: 0.6 },
    ];
    expect(await confirmFaces(picture, boxes, readerOf(createPaintedLandmarks()), signal)).toHaveLength(1);
  });

  it('drops what the landmarks do not take for a face', async () => {
    const box = { x0: 320, y0: 200, x1: 380, y1: 280, score: 0.99 };
    expect(await confirmFaces(picture, [box], readerOf(createPaintedLandmarks()), signal)).toEqual([]);
  });
});
