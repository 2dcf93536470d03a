import { describe, expect, it } from 'vitest';
import { type Affine, composeAffine, scaling, translation } from './affine.ts';
import { warpAffineRgb } from './warp.ts';

const IDENTITY = scaling(1);

function picture(width: number, height: number, pixel: (x: number, y: number) => [number, number, number]) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(pixel(x, y), (y * width + x) * 3);
  }
  return { width, height, data };
}

function noise(width: number, height: number) {
  let state = 1;
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (state >> 16) & 255;
  };
  return picture(width, height, () => [next(), next(), next()]);
}

describe('warpAffineRgb()', () => {
  it('copies under the identity', () => {
    const source = noise(31, 17);
    expect(warpAffineRgb(source, IDENTITY, source)).toEqual(source);
  });

  it('cuts a window under a whole shift', () => {
    const source = noise(40, 30);
    const window = warpAffineRgb(source, translation(-7, -5), { width: 20, height: 10 });
    for (let y = 0; y < 10; y++) {
      const row = source.data.subarray(((y + 5) * 40 + 7) * 3, ((y + 5) * 40 + 27) * 3);
      expect(window.data.subarray(y * 60, y * 60 + 60)).toEqual(row);
    }
  });

  it('turns by a quarter without changing a pixel', () => {
    const source = noise(16, 16);
    const turned = warpAffineRgb(source, { xx: 0, xy: -1, x0: 16, yx: 1, yy: 0, y0: 0 }, source);
    for (let y = 0; y < 16; y++) {
      for (let x = 0; x < 16; x++) {
        const target = (x * 16 + (15 - y)) * 3;
        const at = (y * 16 + x) * 3;
        expect(turned.data.subarray(target, target + 3)).toEqual(source.data.subarray(at, at + 3));
      }
    }
  });

  it('lets the edge go on beyond the source', () => {
    const source = picture(2, 1, (x) => [x * 200, 10, 20]);
    const wide = warpAffineRgb(source, translation(3, 2), { width: 8, height: 5 });
    expect([...wide.data.subarray(0, 3)]).toEqual([0, 10, 20]);
    expect([...wide.data.subarray(-3)]).toEqual([200, 10, 20]);
  });

  it('enlarges bilinearly, around pixel middles', () => {
    const source = picture(2, 1, (x) => [x * 100, 0, 0]);
    const large = warpAffineRgb(source, scaling(2), { width: 4, height: 1 });
    expect([0, 1, 2, 3].map((i) => large.data[i * 3])).toEqual([0, 25, 75, 100]);
  });

  it.each([1.2, 1.7, 2, 2.6, 3, 4, 5.5, 9, 16])(
    'keeps a ramp straight when it shrinks %d times',
    (shrink) => {
      const source = picture(256, 64, (x, y) => [x, 255 - x, y]);
      const width = Math.floor(256 / shrink);
      const height = Math.floor(64 / shrink);
      const small = warpAffineRgb(source, scaling(1 / shrink), { width, height });
      const margin = Math.ceil(16 / shrink) + 1;
      for (let x = margin; x < width - margin; x++) {
        const ideal = (x + 0.5) * shrink - 0.5;
        expect(Math.abs(small.data[(((height / 2) | 0) * width + x) * 3]! - ideal)).toBeLessThanOrEqual(1);
      }
    },
  );

  it.each([2, 3.3, 4, 7])('leaves no moire of one-pixel lines when it shrinks %d times', (shrink) => {
    const source = picture(200, 200, (x) => (x % 2 === 0 ? [255, 255, 255] : [0, 0, 0]));
    const size = Math.floor(200 / shrink) - 4;
    const map: Affine = composeAffine(scaling(1 / shrink), translation(-2 * shrink, -2 * shrink));
    for (const value of warpAffineRgb(source, map, { width: size, height: size }).data) {
      expect(Math.abs(value - 127.5)).toBeLessThan(20);
    }
  });

  it('changes smoothly with scale, also where the source is halved first', () => {
    const source = noise(128, 128);
    for (const scale of [1, 0.5, 0.25, 0.125]) {
      const size = { width: 20, height: 20 };
      const a = warpAffineRgb(source, scaling(scale * 1.0005), size).data;
      const b = warpAffineRgb(source, scaling(scale * 0.9995), size).data;
      const mean = a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
      expect(mean).toBeLessThan(6);
    }
  });

  it('does not depend on where the window lies', () => {
    const source = noise(700, 500);
    const map = composeAffine(scaling(0.1), { xx: 0.9, xy: -0.3, x0: 20, yx: 0.3, yy: 0.9, y0: 3 });
    const whole = warpAffineRgb(source, map, { width: 40, height: 30 });
    const part = warpAffineRgb(source, composeAffine(translation(-12, -9), map), { width: 10, height: 8 });
    for (let y = 0; y < 8; y++) {
      const row = whole.data.subarray(((y + 9) * 40 + 12) * 3, ((y + 9) * 40 + 22) * 3);
      expect(part.data.subarray(y * 30, y * 30 + 30)).toEqual(row);
    }
  });
});
