import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFaceDetector, DEFAULT_DETECTOR, planLooks, suppressOverlaps } from './detector.ts';
import type { DetectorGraph } from './face-graphs.ts';
import { overlap } from './geometry.ts';
import { createPaintedDetector, paintFaces } from './testing/painted-faces.ts';

const signal = new AbortController().signal;
const box = (x0: number, y0: number, x1: number, y1: number, score = 0.9) => ({ x0, y0, x1, y1, score });

function counted(graph: DetectorGraph): DetectorGraph & { readonly batches: number[] } {
  const batches: number[] = [];
  return {
    inputPx: graph.inputPx,
    batches,
    run: (images, count, abort) => {
      batches.push(count);
      return graph.run(images, count, abort);
    },
  };
}

describe('createFaceDetector().find', () => {
  it.each([
    ['square', 300, 300],
    ['landscape', 640, 360],
    ['portrait', 200, 500],
  ])('maps boxes of a letterboxed %s picture back to its pixels', async (_, width, height) => {
    const face = box(0.3 * width, 0.2 * height, 0.3 * width + 90, 0.2 * height + 110);
    const detector = createFaceDetector(createPaintedDetector(), DEFAULT_DETECTOR);
    const found = await detector.find(paintFaces(width, height, [face]), 'until-found', signal);
    expect(found).toHaveLength(1);
    expect(overlap(found[0]!, face)).toBeGreaterThan(0.95);
  });

  it('gives several faces, largest first', async () => {
    const faces = [box(20, 30, 80, 100), box(150, 40, 260, 180), box(300, 200, 350, 260)];
    const detector = createFaceDetector(createPaintedDetector(), DEFAULT_DETECTOR);
    const found = await detector.find(paintFaces(400, 300, faces), 'until-found', signal);
    expect(found.map(({ x0 }) => Math.round(x0))).toEqual([150, 20, 300]);
  });

  it('looks once when the first look finds a face', async () => {
    const graph = counted(createPaintedDetector());
    const detector = createFaceDetector(graph, DEFAULT_DETECTOR);
    await detector.find(paintFaces(800, 800, [box(200, 200, 500, 500)]), 'until-found', signal);
    expect(graph.batches).toEqual([1]);
  });

  it('finds a face of 14 px in 1280x720, which no first look can show', async () => {
    const face = box(1007, 603, 1021, 619);
    const graph = counted(createPaintedDetector());
    const detector = createFaceDetector(graph, DEFAULT_DETECTOR);
    const picture = paintFaces(1280, 720, [face]);
    const once = createFaceDetector(createPaintedDetector(), { ...DEFAULT_DETECTOR, maxCloserLooks: 0 });
    expect(await once.find(picture, 'until-found', signal)).toEqual([]);
    const found = await detector.find(picture, 'until-found', signal);
    expect(found).toHaveLength(1);
    expect(overlap(found[0]!, face)).toBeGreaterThan(0.6);
    expect(Math.max(...graph.batches)).toBeLessThanOrEqual(DEFAULT_DETECTOR.maxBatch);
  });

  it('gives each face once when all looks are taken together', async () => {
    const faces = [box(100, 100, 500, 600), box(1007, 603, 1027, 627)];
    const detector = createFaceDetector(createPaintedDetector(), DEFAULT_DETECTOR);
    const found = await detector.find(paintFaces(1280, 720, faces), 'all', signal);
    expect(found).toHaveLength(2);
    for (const [i, face] of faces.entries()) expect(overlap(found[i]!, face)).toBeGreaterThan(0.6);
  });

  it('finds nothing in an empty picture', async () => {
    const detector = createFaceDetector(createPaintedDetector(), DEFAULT_DETECTOR);
    expect(await detector.find(paintFaces(700, 500, []), 'all', signal)).toEqual([]);
  });

  it('ignores scores and boxes that are not numbers, and boxes without an area', async () => {
    const graph: DetectorGraph = {
      inputPx: 32,
      run: () =>
        Promise.resolve({
          boxes: Float32Array.of(1, 1, 9, 9, Number.NaN, 1, 9, 9, 9, 9, 1, 1),
          scores: Float32Array.of(Number.NaN, 0.9, 0.9),
        }),
    };
    const detector = createFaceDetector(graph, { ...DEFAULT_DETECTOR, maxCloserLooks: 0 });
    expect(await detector.find(paintFaces(32, 32, []), 'until-found', signal)).toEqual([]);
  });
});

describe('planLooks', () => {
  const size = fc.integer({ min: 1, max: 5000 });

  it('begins with the whole picture and never looks closer than the graph can see', () => {
    fc.assert(
      fc.property(size, size, (width, height) => {
        const [first, ...closer] = planLooks(width, height, 192, 3);
        expect(first).toHaveLength(1);
        expect(first![0]!.sidePx).toBe(Math.max(width, height));
        expect(closer.length).toBeLessThanOrEqual(3);
        for (const { sidePx } of closer.flat()) expect(sidePx).toBeGreaterThanOrEqual(192);
      }),
    );
  });

  it('shows every face of up to half a tile whole in some tile of each look', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 192, max: 3000 }),
        fc.integer({ min: 192, max: 3000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (width, height, atX, atY) => {
          for (const tiles of planLooks(width, height, 192, 3).slice(1)) {
            const face = tiles[0]!.sidePx / 2;
            const [x, y] = [atX * (width - face), atY * (height - face)];
            const whole = tiles.some(
              ({ left, top, sidePx }) =>
                x >= left - 1e-6 &&
                y >= top - 1e-6 &&
                x + face <= left + sidePx + 1e-6 &&
                y + face <= top + sidePx + 1e-6,
            );
            expect(whole).toBe(true);
          }
        },
      ),
    );
  });
});

describe('suppressOverlaps', () => {
  it('keeps the best of boxes that overlap, and all that do not', () => {
    const kept = suppressOverlaps(
      [box(0, 0, 10, 10, 0.6), box(1, 0, 11, 10, 0.8), box(30, 0, 35, 5, 0.5)],
      0.4,
    );
    expect(kept.map(({ score }) => score)).toEqual([0.8, 0.5]);
  });
});
