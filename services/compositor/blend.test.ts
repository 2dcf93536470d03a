import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { composeAffine, scaling, translation } from '#lib/media/affine.ts';
import { warpAffineRgb } from '#lib/media/warp.ts';
import { blendFace, createRegionMasks, maskRegion } from './blend.ts';

const REGION = { x: 16, y: 24, width: 64, height: 64 };
const FEATHER_PX = 6;
const POLYGON = [
  { x: 30, y: 40 },
  { x: 66, y: 40 },
  { x: 60, y: 76 },
  { x: 36, y: 76 },
];

function picture(width: number, height: number, colour: (x: number, y: number, c: number) => number) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3);
    data[i] = colour(pixel % width, Math.floor(pixel / width), i % 3);
  }
  return { width, height, data };
}

const gradient = (x: number, y: number, c: number): number => (x * 2 + y + c * 40) % 256;

function target(frame: ReturnType<typeof picture>, toCrop = translation(0, 0)) {
  const toRegion = composeAffine(translation(-REGION.x, -REGION.y), toCrop);
  const mask = createRegionMasks(REGION, FEATHER_PX)(POLYGON);
  return { frame, toRegion, mask, originalRegion: warpAffineRgb(frame, toRegion, REGION) };
}

describe('blendFace', () => {
  it('leaves every pixel outside the mask as it was, bit for bit', () => {
    fc.assert(
      fc.property(
        fc.record({
          angle: fc.double({ min: -0.5, max: 0.5, noNaN: true }),
          scale: fc.double({ min: 0.3, max: 3, noNaN: true }),
          grey: fc.integer({ min: 0, max: 255 }),
        }),
        ({ angle, scale, grey }) => {
          const frame = picture(120, 100, gradient);
          const turn = {
            xx: Math.cos(angle),
            xy: -Math.sin(angle),
            yx: Math.sin(angle),
            yy: Math.cos(angle),
          };
          const toCrop = composeAffine(scaling(scale), { ...turn, x0: 3, y0: -2 });
          const goal = target(frame, toCrop);
          const blended = blendFace(
            goal,
            picture(REGION.width, REGION.height, () => grey),
          );
          // The polygon grown by the two pixels that sampling can reach is where changes are allowed.
          const reach = 2 * Math.max(1, scale);
          const [left, right] = [Math.min(...POLYGON.map((p) => p.x)), Math.max(...POLYGON.map((p) => p.x))];
          const [top, bottom] = [Math.min(...POLYGON.map((p) => p.y)), Math.max(...POLYGON.map((p) => p.y))];
          let changedOutside = 0;
          for (let y = 0; y < frame.height; y++) {
            for (let x = 0; x < frame.width; x++) {
              const u =
                goal.toRegion.xx * (x + 0.5) + goal.toRegion.xy * (y + 0.5) + goal.toRegion.x0 + REGION.x;
              const v =
                goal.toRegion.yx * (x + 0.5) + goal.toRegion.yy * (y + 0.5) + goal.toRegion.y0 + REGION.y;
              if (u > left - reach && u < right + reach && v > top - reach && v < bottom + reach) continue;
              const i = (y * frame.width + x) * 3;
              for (let c = i; c < i + 3; c++) if (blended.data[c] !== frame.data[c]) changedOutside += 1;
            }
          }
          expect(changedOutside).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives the frame back when the face is the original region', () => {
    const frame = picture(
      120,
      100,
      (x, y, c) => 60 + Math.round(40 * Math.sin(x / 9) + 30 * Math.cos(y / 11)) + c * 20,
    );
    const goal = target(frame);
    const blended = blendFace(goal, goal.originalRegion);
    expect(blended.data).toEqual(frame.data);
  });

  it('shows the generated face in the middle of the mask', () => {
    const frame = picture(120, 100, () => 90);
    const face = picture(REGION.width, REGION.height, (x, y) => {
      const inside = x + REGION.x > 40 && x + REGION.x < 56 && y + REGION.y > 50 && y + REGION.y < 66;
      return inside ? 200 : 90;
    });
    const blended = blendFace(target(frame), face);
    expect(blended.data[(58 * 120 + 48) * 3]).toBe(200);
  });

  it('leaves no step at the seam when the face comes back brighter all over', () => {
    const frame = picture(120, 100, (x, y) => 40 + Math.round((x + y) / 3));
    const goal = target(frame);
    const brighter = {
      ...goal.originalRegion,
      data: goal.originalRegion.data.map((v) => v + 18),
    };
    const blended = blendFace(goal, brighter);
    const worst = blended.data.reduce((most, v, i) => Math.max(most, Math.abs(v - frame.data[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(1);
  });

  it('does not alias when the crop is much finer than the frame', () => {
    const frame = picture(60, 50, () => 128);
    const goal = target(frame, scaling(4));
    const stripes = picture(REGION.width, REGION.height, (x) => (x % 2 === 0 ? 0 : 255));
    const blended = blendFace({ ...goal, originalRegion: stripes }, stripes);
    const changed = blended.data.filter((v) => v !== 128);
    expect(changed.every((v) => Math.abs(v - 128) < 8)).toBe(true);
  });
});

describe('maskRegion', () => {
  it('hides exactly the masked pixels', () => {
    const region = picture(REGION.width, REGION.height, gradient);
    const { mask } = createRegionMasks(REGION, FEATHER_PX)(POLYGON);
    const hidden = maskRegion(region, mask, 0);
    for (let i = 0; i < mask.length; i++) {
      const expected = mask[i] === 0 ? region.data[i * 3] : 0;
      expect(hidden.data[i * 3]).toBe(expected);
    }
  });

  it('draws equal polygons once', () => {
    const masks = createRegionMasks(REGION, FEATHER_PX);
    const first = masks(POLYGON);
    expect(masks(POLYGON.map((point) => ({ ...point })))).toBe(first);
    expect(masks(POLYGON.map(({ x, y }) => ({ x: x + 1, y })))).not.toBe(first);
  });
});
