import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { letterboxSquare, sampleSquare } from './sampling.ts';

const plane = (byte: number): number => byte / 127.5 - 1;

function picture(
  width: number,
  height: number,
  value: (x: number, y: number, c: number) => number,
): RgbPixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = value(x, y, c);
    }
  }
  return { width, height, data };
}

function sample(source: RgbPixels, left: number, top: number, sidePx: number, size: number): Float32Array {
  const planes = new Float32Array(3 * size * size);
  sampleSquare(source, { left, top, sidePx }, size, planes);
  return planes;
}

describe('sampleSquare', () => {
  const noise = picture(12, 12, (x, y, c) => (x * 71 + y * 131 + c * 29) % 256);

  it('copies a square of the same size, plane by plane', () => {
    const planes = sample(noise, 2, 3, 8, 8);
    for (const [u, v, c] of [
      [0, 0, 0],
      [7, 7, 2],
      [3, 5, 1],
    ] as const) {
      const byte = noise.data[((v + 3) * 12 + u + 2) * 3 + c]!;
      expect(planes[c * 64 + v * 8 + u]).toBeCloseTo(plane(byte), 6);
    }
  });

  it('averages whole blocks when it shrinks', () => {
    const planes = sample(noise, 0, 0, 12, 3);
    let sum = 0;
    for (let y = 4; y < 8; y++) for (let x = 8; x < 12; x++) sum += noise.data[(y * 12 + x) * 3 + 1]!;
    expect(planes[9 + 1 * 3 + 2]).toBeCloseTo(plane(sum / 16), 5);
  });

  it('interpolates linearly between pixel centres when it enlarges', () => {
    const ramp = picture(8, 8, (x) => x * 20);
    const planes = sample(ramp, 2, 2, 4, 16);
    // Output pixel u lies at source x = 2 + (u + 0.5) / 4; pixel x has its value at x + 0.5.
    for (let u = 0; u < 16; u++) expect(planes[u]).toBeCloseTo(plane(20 * (2 + (u + 0.5) / 4 - 0.5)), 5);
  });

  it('gives mid-grey outside, and half of it where a box straddles the border', () => {
    const white = picture(4, 4, () => 255);
    const planes = sample(white, -3, -4, 8, 4);
    expect(planes[0]).toBe(0);
    expect(planes[3 * 4 + 1]).toBeCloseTo(0.5, 6);
    expect(planes[3 * 4 + 2]).toBeCloseTo(1, 6);
  });

  it('moves a straight edge in proportion to a shift of less than a pixel', () => {
    const edge = picture(40, 40, (x) => (x < 20 ? 0 : 255));
    const mean = (shift: number): number => {
      const planes = sample(edge, 4 + shift, 4, 32, 10);
      return planes.subarray(0, 10).reduce((sum, value) => sum + value, 0);
    };
    const perPixel = mean(1) - mean(0);
    for (const shift of [0.1, 0.25, 0.6, 0.9]) expect(mean(shift) - mean(0)).toBeCloseTo(perPixel * shift, 4);
  });

  it('stays in [-1, 1] and writes only its own planes, wherever the square lies', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -40, max: 40, noNaN: true }),
        fc.double({ min: -40, max: 40, noNaN: true }),
        fc.double({ min: 0.01, max: 90, noNaN: true }),
        (left, top, sidePx) => {
          const planes = new Float32Array(2 + 3 * 25).fill(9);
          sampleSquare(noise, { left, top, sidePx }, 5, planes, 1);
          expect(planes[0]).toBe(9);
          expect(planes[76]).toBe(9);
          for (const value of planes.subarray(1, 76)) expect(Math.abs(value)).toBeLessThanOrEqual(1 + 1e-6);
        },
      ),
    );
  });
});

describe('letterboxSquare', () => {
  it('centres the picture in a square of its longer side', () => {
    expect(letterboxSquare(200, 100)).toEqual({ left: 0, top: -50, sidePx: 200 });
    expect(letterboxSquare(90, 100)).toEqual({ left: -5, top: 0, sidePx: 100 });
  });
});
