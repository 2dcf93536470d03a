import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createResampler } from './resample.ts';
import { join32 } from './test-media.ts';

function sine(hz: number, rateHz: number, seconds = 1): Float32Array {
  return Float32Array.from({ length: rateHz * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rateHz));
}

function resample(samples: Float32Array, fromHz: number, toHz: number): Float32Array {
  const resampler = createResampler(fromHz, toHz);
  return join32([resampler.push(samples), resampler.flush()]);
}

/** RMS of the middle of a result, and of its difference to `ideal`, in dB of full scale. */
function levels(result: Float32Array, ideal: Float32Array): { gainDb: number; errorDb: number } {
  const [from, to] = [Math.floor(result.length / 4), Math.floor((result.length * 3) / 4)];
  let [power, error] = [0, 0];
  for (let i = from; i < to; i++) {
    power += result[i]! ** 2;
    error += (result[i]! - ideal[i]!) ** 2;
  }
  const decibel = (sum: number) => 10 * Math.log10((2 * sum) / (to - from));
  return { gainDb: decibel(power), errorDb: decibel(error) };
}

describe('createResampler()', () => {
  it.each([
    [8_000, 3_000],
    [11_025, 4_000],
    [22_050, 7_000],
    [44_100, 1_000],
    [48_000, 7_500],
    [96_000, 5_000],
    [192_000, 7_000],
    [191_999, 3_000],
  ])('keeps phase and level of a tone: %d Hz to 16 kHz, tone of %d Hz', (fromHz, toneHz) => {
    const { gainDb, errorDb } = levels(resample(sine(toneHz, fromHz), fromHz, 16_000), sine(toneHz, 16_000));
    expect(Math.abs(gainDb)).toBeLessThan(0.01);
    expect(errorDb).toBeLessThan(-70);
  });

  it.each([8_500, 9_000, 12_000, 20_000])('removes a tone of %d Hz that 16 kHz cannot hold', (toneHz) => {
    expect(
      levels(resample(sine(toneHz, 48_000), 48_000, 16_000), new Float32Array(16_000)).gainDb,
    ).toBeLessThan(-80);
  });

  it('passes a constant as it is', () => {
    const result = resample(new Float32Array(4_410).fill(0.25), 44_100, 16_000);
    for (const value of result.subarray(200, 1_400)) expect(value).toBeCloseTo(0.25, 7);
  });

  it('gives ceil(samples * to / from) samples', () => {
    for (const count of [1, 2, 3, 7, 440, 441, 442]) {
      expect(resample(new Float32Array(count), 44_100, 16_000)).toHaveLength(Math.ceil((count * 160) / 441));
      expect(resample(new Float32Array(count), 8_000, 16_000)).toHaveLength(2 * count);
    }
    expect(resample(new Float32Array(0), 44_100, 16_000)).toHaveLength(0);
  });

  it('gives the same bits however the samples come', () => {
    const samples = Float32Array.from({ length: 3_000 }, (_, i) => Math.sin(i * i * 0.001));
    const rates = fc.constantFrom(8_000, 11_025, 16_000, 44_100, 48_000, 191_999);
    fc.assert(
      fc.property(rates, fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 30 }), (fromHz, sizes) => {
        const resampler = createResampler(fromHz, 16_000);
        const pieces: Float32Array[] = [];
        let offset = 0;
        for (const size of [...sizes, samples.length]) {
          pieces.push(resampler.push(samples.subarray(offset, offset + size)));
          offset += size;
        }
        expect(join32([...pieces, resampler.flush()])).toEqual(resample(samples, fromHz, 16_000));
      }),
      { numRuns: 60 },
    );
  });

  it('adds 4 ms at most to live speech at 48 kHz, and nothing at equal rates', () => {
    expect(createResampler(48_000, 16_000).push(new Float32Array(4_800)).length).toBeGreaterThanOrEqual(
      1_600 - 64,
    );
    expect(createResampler(16_000, 16_000).push(new Float32Array(160))).toHaveLength(160);
  });

  it('does not keep the piece at equal rates', () => {
    const piece = new Float32Array([1, 2]);
    const result = createResampler(16_000, 16_000).push(piece);
    piece.fill(0);
    expect([...result]).toEqual([1, 2]);
  });

  it.each([
    [0, 16_000],
    [44_100.5, 16_000],
    [16_000, -1],
  ])('refuses %d Hz to %d Hz', (fromHz, toHz) => {
    expect(() => createResampler(fromHz, toHz)).toThrow(RangeError);
  });
});
