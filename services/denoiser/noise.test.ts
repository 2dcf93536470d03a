import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillGaussianNoise, type NoiseDraw } from './noise.ts';
import { normalQuantile } from './normal-quantile.ts';
import { philox4x32 } from './philox.ts';

function noise(length: number, seed: bigint, frameIndex: number, draw: NoiseDraw): Float32Array {
  const out = new Float32Array(length);
  fillGaussianNoise(out, seed, frameIndex, draw);
  return out;
}

describe('philox4x32()', () => {
  // Known answers of Random123 1.14 (kat_vectors, philox 4x32 10).
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('of counter %j and key %j is %j', (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox4x32(Uint32Array.from(counter), Uint32Array.from(key), out);
    expect([...out]).toEqual(expected);
  });
});

describe('normalQuantile()', () => {
  // statistics.NormalDist().inv_cdf((bits + 0.5) / 2**32) of CPython 3.11, which is AS241 with the C library's log.
  it.each([
    [0, -6.337957754553789],
    [1, -6.166429517819749],
    [12_345, -4.535422762090429],
    [322_122_547, -1.4395314704450153],
    [322_122_548, -1.4395314688002132],
    [536_870_912, -1.1503493798104831],
    [2_147_483_647, -2.9180993729166234e-10],
    [2_147_483_648, 2.9180993729166234e-10],
    [3_972_844_747, 1.4395314688002132],
    [4_294_967_295, 6.337957754553789],
  ])('of %i is %d', (bits, expected) => {
    expect(Math.abs(normalQuantile(bits) / expected - 1)).toBeLessThan(1e-14);
  });

  it('is odd and ascending', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.integer({ min: 1, max: 1000 }), (bits, distance) => {
        expect(normalQuantile(2 ** 32 - 1 - bits)).toBe(-normalQuantile(bits));
        expect(normalQuantile(bits + distance)).toBeGreaterThan(normalQuantile(bits));
      }),
    );
  });
});

describe('fillGaussianNoise()', () => {
  // The same definition in Python: Philox in integers, NormalDist().inv_cdf, rounded to float32.
  it.each([
    [
      0n,
      0,
      'initial' as const,
      [-0.2558159828186035, 1.1775912046432495, 0.6301836371421814, 0.26756224036216736, 1.9148032665252686],
    ],
    [
      -7n,
      2 ** 40 + 3,
      { stepIndex: 2 },
      [0.9565189480781555, 0.1728832721710205, 0.09594491124153137, 1.2801563739776611, 0.2825445532798767],
    ],
    [
      42n,
      1,
      'initial' as const,
      [-2.324145555496216, -1.1442989110946655, -0.7320593595504761, 0.5581023097038269, -1.131608009338379],
    ],
  ])('of seed %d and frame %d is golden, to the bit', (seed, frameIndex, draw, expected) => {
    expect([...noise(5, seed, frameIndex, draw)]).toEqual(expected);
  });

  it('depends on seed, frame and draw, and on nothing else', () => {
    const draws: [bigint, number, NoiseDraw][] = [
      [1n, 5, 'initial'],
      [2n, 5, 'initial'],
      [1n + 2n ** 32n, 5, 'initial'],
      [1n, 6, 'initial'],
      [1n, 5 + 2 ** 32, 'initial'],
      [1n, 5, { stepIndex: 0 }],
      [1n, 5, { stepIndex: 1 }],
    ];
    const seen = new Set(draws.map((draw) => noise(8, ...draw).join()));
    expect(seen.size).toBe(draws.length);
    expect(noise(8, 1n, 5, 'initial')).toEqual(noise(64, 1n, 5, 'initial').subarray(0, 8));
  });

  it('is standard normal', () => {
    const values = noise(2 ** 16, 3n, 9, 'initial');
    const moment = (power: number): number =>
      values.reduce((sum, value) => sum + value ** power, 0) / values.length;
    // Five standard errors: sqrt(1, 2, 15, 96 / n) for the first four moments.
    const error = 5 / Math.sqrt(values.length);
    expect(Math.abs(moment(1))).toBeLessThan(error);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(error * Math.sqrt(2));
    expect(Math.abs(moment(3))).toBeLessThan(error * Math.sqrt(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(error * Math.sqrt(96));
  });
});
