import { describe, expect, it } from 'vitest';
import { createPowerSpectrum } from './fft.ts';

describe('createPowerSpectrum()', () => {
  it.each([2, 4, 8, 64, 512])('agrees with the definition for %d samples', (size) => {
    const samples = Float64Array.from({ length: size }, (_, i) => Math.sin(i * i * 0.37) + 0.1);
    const power = new Float64Array(size / 2 + 1);
    createPowerSpectrum(size).of(samples, power);
    for (let k = 0; k <= size / 2; k++) {
      let [real, imaginary] = [0, 0];
      for (let i = 0; i < size; i++) {
        real += samples[i]! * Math.cos((2 * Math.PI * k * i) / size);
        imaginary -= samples[i]! * Math.sin((2 * Math.PI * k * i) / size);
      }
      expect(power[k]).toBeCloseTo(real * real + imaginary * imaginary, 8);
    }
  });

  it('puts a whole tone into one bin', () => {
    const power = new Float64Array(257);
    createPowerSpectrum(512).of(
      Float64Array.from({ length: 512 }, (_, i) => Math.cos((2 * Math.PI * 20 * i) / 512)),
      power,
    );
    expect(power[20]).toBeCloseTo(256 ** 2, 6);
    expect(Math.max(...power.filter((_, k) => k !== 20))).toBeLessThan(1e-20);
  });

  it.each([0, 1, 3, 500])('refuses %d samples', (size) => {
    expect(() => createPowerSpectrum(size)).toThrow(RangeError);
  });
});
