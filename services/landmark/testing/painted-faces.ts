/**
 * A world for tests in which a face is a red rectangle, and graphs that see it: they read the very tensors that
 * the real ones would, so that sampling, boxes and squares are tested on the way.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import type { DetectorGraph, LandmarkGraph } from '../face-graphs.ts';
import type { Box } from '../geometry.ts';
import { faceInBox } from './mean-face.ts';

const MAX_FACES = 8;
const MIN_PIXELS = 9;
const FACE_CONTRAST = 220;

/** A dark picture with red rectangles, their edges anti-aliased, so that they can move by less than a pixel. */
export function paintFaces(width: number, height: number, faces: readonly Box[]): RgbPixels {
  const data = new Uint8Array(width * height * 3).fill(20);
  for (const { x0, y0, x1, y1 } of faces) {
    for (let y = Math.max(0, Math.floor(y0)); y < Math.min(height, y1); y++) {
      for (let x = Math.max(0, Math.floor(x0)); x < Math.min(width, x1); x++) {
        const covered = (Math.min(x + 1, x1) - Math.max(x, x0)) * (Math.min(y + 1, y1) - Math.max(y, y0));
        data[(y * width + x) * 3] = Math.round(20 + FACE_CONTRAST * covered);
      }
    }
  }
  return { width, height, data };
}

/** Finds every rectangle, with a score of 0.9. */
export function createPaintedDetector(inputPx = 96): DetectorGraph {
  return {
    inputPx,
    run: (images, count) => {
      const boxes = new Float32Array(count * MAX_FACES * 4);
      const scores = new Float32Array(count * MAX_FACES);
      for (let i = 0; i < count; i++) {
        const found = findRectangles(images.subarray(i * 3 * inputPx ** 2), inputPx).slice(0, MAX_FACES);
        for (const [k, { x0, y0, x1, y1 }] of found.entries()) {
          boxes.set([x0, y0, x1, y1], (i * MAX_FACES + k) * 4);
          scores[i * MAX_FACES + k] = 0.9;
        }
      }
      return Promise.resolve({ boxes, scores });
    },
  };
}

/** Reads the rectangle nearest to the middle of the square as the mean face. Confident when there is one. */
export function createPaintedLandmarks(inputPx = 64): LandmarkGraph {
  return {
    inputPx,
    run: (images, count) => {
      const points = new Float32Array(count * 136);
      const visibility = new Float32Array(count * 68).fill(1);
      const confidence = new Float32Array(count);
      const fromMiddle = ({ x0, y0, x1, y1 }: Box): number =>
        Math.hypot(x0 + x1 - inputPx, y0 + y1 - inputPx);
      for (let i = 0; i < count; i++) {
        const found = findRectangles(images.subarray(i * 3 * inputPx ** 2), inputPx);
        const face = found.sort((a, b) => fromMiddle(a) - fromMiddle(b))[0];
        if (face === undefined) continue;
        confidence[i] = 0.95;
        points.set(
          faceInBox(face).map((value) => value / inputPx),
          i * 136,
        );
      }
      return Promise.resolve({ points, visibility, confidence });
    },
  };
}

/** Connected red areas; edges to a fraction of a pixel by how red their pixels are. */
function findRectangles(planes: Float32Array, size: number): Box[] {
  const redness = (x: number, y: number): number =>
    ((planes[y * size + x]! - planes[size * size + y * size + x]!) * 127.5) / FACE_CONTRAST;
  const seen = new Uint8Array(size * size);
  const boxes: Box[] = [];
  for (let start = 0; start < size * size; start++) {
    const area = flood(start);
    if (area.length < MIN_PIXELS) continue;
    const sums = { weight: 0, x: 0, y: 0, xx: 0, yy: 0 };
    for (const at of area) {
      const [x, y] = [at % size, Math.floor(at / size)];
      const weight = Math.min(1, Math.max(0, redness(x, y)));
      sums.weight += weight;
      sums.x += weight * (x + 0.5);
      sums.y += weight * (y + 0.5);
      sums.xx += weight * (x + 0.5) ** 2;
      sums.yy += weight * (y + 0.5) ** 2;
    }
    const [x, y] = [sums.x / sums.weight, sums.y / sums.weight];
    // The variance of a uniform rectangle is its side squared over 12.
    const halfX = Math.sqrt(3 * Math.max(0, sums.xx / sums.weight - x * x));
    const halfY = Math.sqrt(3 * Math.max(0, sums.yy / sums.weight - y * y));
    boxes.push({ x0: x - halfX, y0: y - halfY, x1: x + halfX, y1: y + halfY });
  }
  return boxes;

  function flood(start: number): number[] {
    const area: number[] = [];
    const open = [start];
    while (open.length > 0) {
      const at = open.pop()!;
      const [x, y] = [at % size, Math.floor(at / size)];
      if (seen[at] === 1 || redness(x, y) < 0.15) continue;
      seen[at] = 1;
      area.push(at);
      if (x > 0) open.push(at - 1);
      if (x + 1 < size) open.push(at + 1);
      if (y > 0) open.push(at - size);
      if (y + 1 < size) open.push(at + size);
    }
    return area;
  }
}
