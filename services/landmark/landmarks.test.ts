import { describe, expect, it } from 'vitest';
import type { LandmarkGraph } from './face-graphs.ts';
import { boundsOf, overlap, squareAround } from './geometry.ts';
import { createLandmarkReader, variations } from './landmarks.ts';
import { createPaintedLandmarks, paintFaces } from './testing/painted-faces.ts';

const signal = new AbortController().signal;
const ONE = { averagedCrops: 1, cropShift: 0.02, cropStretch: 0.02, squareScale: 1.5, minConfidence: 0.5 };
const FACE = { x0: 210.3, y0: 120.6, x1: 290.8, y1: 220.1 };

describe('createLandmarkReader', () => {
  it('gives points in picture pixels', async () => {
    const reader = createLandmarkReader(createPaintedLandmarks(), ONE);
    const reading = await reader.read(paintFaces(480, 360, [FACE]), squareAround(FACE, 1.5), signal);
    expect(overlap(boundsOf(reading.points), FACE)).toBeGreaterThan(0.97);
    expect(reading.confidence).toBeCloseTo(0.95, 5);
    expect([...reading.visibility]).toEqual(Array.from({ length: 68 }, () => 1));
  });

  it('reads all crops of a face in one run and averages their points, not their fractions', async () => {
    const runs: number[] = [];
    // Every crop sees the point in the middle of its own square.
    const centre: LandmarkGraph = {
      inputPx: 8,
      run: (_, count) => {
        runs.push(count);
        return Promise.resolve({
          points: new Float32Array(count * 136).fill(0.5),
          visibility: new Float32Array(count * 68).fill(0.25),
          confidence: Float32Array.from({ length: count }, (_, i) => (i === 0 ? 1 : 0.4)),
        });
      },
    };
    const reader = createLandmarkReader(centre, {
      ...ONE,
      averagedCrops: 4,
      cropShift: 0.05,
      cropStretch: 0.1,
    });
    const square = { centreX: 40, centreY: 30, sidePx: 20 };
    const { points, visibility, confidence } = await reader.read(paintFaces(80, 60, []), square, signal);
    expect(runs).toEqual([4]);
    expect(points[0]).toBeCloseTo(40, 9);
    expect(points[135]).toBeCloseTo(30, 9);
    expect(visibility[67]).toBeCloseTo(0.25, 6);
    expect(confidence).toBeCloseTo(0.55, 6);
  });
});

describe('variations', () => {
  it('is the square itself when one crop is read', () => {
    const square = { centreX: 5, centreY: 6, sidePx: 10 };
    expect(variations(square, ONE)).toEqual([square]);
  });

  it.each([2, 3, 4, 7])('spreads %i crops evenly around the square', (averagedCrops) => {
    const crops = variations({ centreX: 50, centreY: 60, sidePx: 100 }, { ...ONE, averagedCrops });
    expect(crops).toHaveLength(averagedCrops);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(crops.map(({ centreX }) => centreX))).toBeCloseTo(50, 9);
    expect(mean(crops.map(({ centreY }) => centreY))).toBeCloseTo(60, 9);
    for (const { centreX, centreY } of crops)
      expect(Math.hypot(centreX - 50, centreY - 60)).toBeCloseTo(2, 9);
  });
});
