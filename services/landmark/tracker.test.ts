import { describe, expect, it } from 'vitest';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { createFaceDetector, DEFAULT_DETECTOR } from './detector.ts';
import type { DetectorGraph, LandmarkGraph } from './face-graphs.ts';
import { type Box, boundsOf, boxCentre, overlap } from './geometry.ts';
import { createLandmarkReader, type LandmarkReading } from './landmarks.ts';
import { faceInBox } from './testing/mean-face.ts';
import { createPaintedDetector, createPaintedLandmarks, paintFaces } from './testing/painted-faces.ts';
import { createFaceTracker, DEFAULT_TRACKER, type FaceTracker, type TrackerConfig } from './tracker.ts';

const signal = new AbortController().signal;
const READER = { averagedCrops: 2, cropShift: 0.02, cropStretch: 0.02, squareScale: 1.5, minConfidence: 0.8 };

const faceAt = (x: number, y: number, size = 60): Box => ({
  x0: x - size / 2,
  y0: y - size / 2,
  x1: x + size / 2,
  y1: y + size / 2,
});

interface World {
  readonly detector?: DetectorGraph;
  readonly landmarks?: LandmarkGraph;
  readonly config?: Partial<TrackerConfig>;
}

function trackerFor(seed: Box, { detector, landmarks, config }: World = {}): FaceTracker {
  return createFaceTracker(
    createFaceDetector(detector ?? createPaintedDetector(), DEFAULT_DETECTOR),
    createLandmarkReader(landmarks ?? createPaintedLandmarks(), READER),
    1.5,
    { ...DEFAULT_TRACKER, ...config },
    seed,
  );
}

async function follow(tracker: FaceTracker, pictures: readonly RgbPixels[]): Promise<(Box | undefined)[]> {
  const found: (Box | undefined)[] = [];
  for (const picture of pictures) {
    const reading: LandmarkReading | undefined = await tracker.next(picture, signal);
    found.push(reading && boundsOf(reading.points));
  }
  return found;
}

const pictures = (count: number, facesAt: (frame: number) => readonly Box[]): RgbPixels[] =>
  Array.from({ length: count }, (_, t) => paintFaces(400, 300, facesAt(t)));

describe('createFaceTracker', () => {
  it('follows a face that moves, and asks the detector only now and then', async () => {
    let looks = 0;
    const detector = createPaintedDetector();
    const counting: DetectorGraph = {
      inputPx: detector.inputPx,
      run: (images, count, abort) => {
        looks += count;
        return detector.run(images, count, abort);
      },
    };
    const path = (t: number): Box => faceAt(80 + 5 * t, 150 + 20 * Math.sin(t / 6));
    const tracker = trackerFor(path(0), { detector: counting, config: { detectEvery: 10 } });
    const found = await follow(
      tracker,
      pictures(41, (t) => [path(t)]),
    );
    for (const [t, box] of found.entries()) expect(overlap(box!, path(t))).toBeGreaterThan(0.93);
    expect(looks).toBe(4);
  });

  it('stays with its face when another, larger one comes by', async () => {
    const mine = (t: number): Box => faceAt(200, 150 + t);
    const other = (t: number): Box => faceAt(40 + 4 * t, 60, 80);
    const found = await follow(
      trackerFor(mine(0), { config: { detectEvery: 2 } }),
      pictures(30, (t) => [mine(t), other(t)]),
    );
    for (const [t, box] of found.entries()) expect(overlap(box!, mine(t))).toBeGreaterThan(0.9);
  });

  it('never jumps to another person when its face goes', async () => {
    const mine = faceAt(120, 150);
    const other = faceAt(190, 150);
    const found = await follow(
      trackerFor(mine),
      pictures(20, (t) => (t < 5 ? [mine, other] : [other])),
    );
    expect(found.slice(0, 5).every((box) => box !== undefined)).toBe(true);
    expect(found.slice(5).every((box) => box === undefined)).toBe(true);
  });

  it('takes its face up again where it was, after some frames out of sight', async () => {
    const path = (t: number): Box => faceAt(150 + 2 * t, 150);
    const found = await follow(
      trackerFor(path(0)),
      pictures(20, (t) => (t >= 6 && t < 12 ? [] : [path(t)])),
    );
    expect(found.map((box) => box !== undefined)).toEqual(
      Array.from({ length: 20 }, (_, t) => t < 6 || t >= 12),
    );
    expect(overlap(found[12]!, path(12))).toBeGreaterThan(0.9);
  });

  it('does not take up a face of quite another size', async () => {
    const found = await follow(
      trackerFor(faceAt(200, 150, 40)),
      pictures(6, (t) => [t < 2 ? faceAt(200, 150, 40) : faceAt(200, 150, 110)]),
    );
    expect(found.map((box) => box !== undefined)).toEqual([true, true, false, false, false, false]);
  });

  it('starts afresh from the detector when the landmarks stay behind their face', async () => {
    // Landmarks that see a face in the middle of every square would stay where they are for ever.
    const middle = faceInBox({ x0: 1 / 6, y0: 1 / 6, x1: 5 / 6, y1: 5 / 6 });
    const complacent: LandmarkGraph = {
      inputPx: 64,
      run: (_, count) =>
        Promise.resolve({
          points: Float32Array.from({ length: count * 136 }, (_, i) => middle[i % 136]!),
          visibility: new Float32Array(count * 68).fill(1),
          confidence: new Float32Array(count).fill(1),
        }),
    };
    const path = (t: number): Box => faceAt(120 + 3 * t, 150);
    const film = pictures(21, (t) => [path(t)]);
    const found = await follow(
      trackerFor(path(0), { landmarks: complacent, config: { detectEvery: 1 } }),
      film,
    );
    for (const [t, box] of found.entries()) {
      expect(Math.abs(boxCentre(box!).x - (120 + 3 * t))).toBeLessThan(0.36 * 60);
    }
    const left = await follow(
      trackerFor(path(0), { landmarks: complacent, config: { detectEvery: 99 } }),
      film,
    );
    expect(boxCentre(left[20]!).x).toBeCloseTo(120, 0);
  });

  it('goes on when the detector misses a face that the landmarks see, but not for ever', async () => {
    const face = faceAt(200, 150);
    const blind: DetectorGraph = {
      inputPx: 96,
      run: (_, count) =>
        Promise.resolve({ boxes: new Float32Array(4 * count), scores: new Float32Array(count) }),
    };
    const found = await follow(
      trackerFor(face, { detector: blind, config: { detectEvery: 4, maxUnseenLooks: 3 } }),
      pictures(12, () => [face]),
    );
    // The first look is at the fifth frame (three readings since the first), then one at each frame.
    expect(found.map((box) => box !== undefined)).toEqual(Array.from({ length: 12 }, (_, t) => t < 7));
  });

  it('places the next square ahead of a face that moves at once by a third of its size', async () => {
    const path = (t: number): Box => faceAt(60 + 20 * t, 150);
    const found = await follow(
      trackerFor(path(0)),
      pictures(14, (t) => [path(t)]),
    );
    for (const [t, box] of found.entries()) {
      expect(boxCentre(box!).x).toBeCloseTo(60 + 20 * t, 0);
    }
  });
});
