import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createFrameClock } from './frame-clock.ts';
import { createSpeechFrames, type SpeechFrame } from './speech-frames.ts';
import { cutSamples, digestOf, readGolden } from './testing/golden.ts';
import { DEFAULT_VOICE_ACTIVITY } from './voice-activity.ts';

let given: Awaited<ReturnType<typeof readGolden>>;
beforeAll(async () => {
  given = await readGolden();
});

const start = () =>
  createSpeechFrames(given.recipe, createFrameClock(given.recipe, given.golden.fps), DEFAULT_VOICE_ACTIVITY);

function framesOf(pieces: readonly Float32Array[]): SpeechFrame[] {
  const speech = start();
  return [...pieces.flatMap((piece) => speech.push(piece)), ...speech.flush()];
}

describe('createFrameClock()', () => {
  it('agrees with numpy on the centres', () => {
    const clock = createFrameClock(given.recipe, given.golden.fps);
    for (const [frame, centre] of Object.entries(given.golden.windows.centres)) {
      expect(clock.centre(Number(frame))).toBe(centre);
    }
    expect(clock.frameCount(given.samples.length)).toBe(given.golden.windows.videoFrames);
  });

  it('counts every frame that begins before the end', () => {
    const clock = createFrameClock(given.recipe, { numerator: 25, denominator: 1 });
    expect([0, 1, 640, 641, 1_280].map((samples) => clock.frameCount(samples))).toEqual([0, 1, 1, 2, 2]);
  });

  it('stays within half a log-mel frame of the middle at any rate', () => {
    const rates = fc.record({
      numerator: fc.integer({ min: 1, max: 240_000 }),
      denominator: fc.constantFrom(1, 1001),
    });
    fc.assert(
      fc.property(rates, fc.nat(30_000), (rate, frame) => {
        fc.pre(rate.numerator / rate.denominator >= 1);
        const middle = ((frame + 0.5) * rate.denominator) / rate.numerator;
        expect(
          Math.abs(createFrameClock(given.recipe, rate).centre(frame) * 0.01 - middle),
        ).toBeLessThanOrEqual(0.005 + 1e-9);
      }),
    );
  });

  it('says how much speech a feature window needs after its frame', () => {
    // (contextFrames / 2 - 1) * hop + window / 2 after the centre of frame i + right, which is 640 (i + 3) + 320.
    expect(createFrameClock(given.recipe, given.golden.fps).lookAheadSamples).toBe(
      3 * 640 + 320 + 80 + 31 * 160 + 200 - 640,
    );
  });
});

describe('createSpeechFrames()', () => {
  it('agrees with numpy', () => {
    const { windows, tolerance } = given.golden;
    const { bands, contextFrames } = given.recipe;
    const frames = framesOf([given.samples]);
    expect(frames).toHaveLength(windows.videoFrames);
    for (const [frame, sum] of Object.entries(windows.sums)) {
      const { mel } = frames[Number(frame)]!;
      expect(mel).toHaveLength(contextFrames * bands);
      expect(Math.abs(mel.reduce((total, value) => total + value, 0) - sum)).toBeLessThan(0.02);
    }
    for (const [frame, means] of Object.entries(windows.meanOverBands)) {
      const { mel } = frames[Number(frame)]!;
      for (const [k, mean] of means.entries()) {
        const row = mel.subarray(k * bands, (k + 1) * bands);
        expect(Math.abs(row.reduce((total, value) => total + value, 0) / bands - mean)).toBeLessThan(
          tolerance.windows,
        );
      }
    }
    for (const [key, row] of Object.entries(windows.rows)) {
      const [frame, k] = key.split(':').map(Number) as [number, number];
      for (const [band, value] of row.entries()) {
        expect(Math.abs(frames[frame]!.mel[k * bands + band]! - value)).toBeLessThan(tolerance.windows);
      }
    }
  });

  it('gives the same bits however the samples come', () => {
    const digest = (frames: readonly SpeechFrame[]) =>
      digestOf(frames.flatMap(({ mel, voiceActivity }) => [mel, Float64Array.of(voiceActivity)]));
    const whole = framesOf([given.samples]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8_000 }), { minLength: 1, maxLength: 12 }), (sizes) => {
        const frames = framesOf(cutSamples(given.samples, sizes));
        expect(frames).toHaveLength(whole.length);
        expect(digest(frames)).toBe(digest(whole));
      }),
      { numRuns: 20 },
    );
  });

  it('gives a live frame as soon as its right context is there', () => {
    const { recipe } = given;
    const speech = start();
    const needed =
      2 * recipe.hopSize + (recipe.contextFrames / 2 - 1) * recipe.hopSize + recipe.windowSize / 2;
    expect(speech.push(new Float32Array(needed - 1))).toHaveLength(0);
    expect(speech.push(new Float32Array(1))).toHaveLength(1);
    expect(speech.push(new Float32Array(639))).toHaveLength(0);
    expect(speech.push(new Float32Array(1))).toHaveLength(1);
  });

  it('gives the same frame all through digital silence, so that the mouth rests', () => {
    const speech = given.samples.subarray(0, 16_000);
    const frames = framesOf([speech, new Float32Array(64_000)]);
    expect(new Set(frames.slice(34, -1).map(({ mel }) => digestOf([mel]))).size).toBe(1);
  });

  it('gives nothing for no speech and one frame for one sample', () => {
    expect(framesOf([])).toEqual([]);
    expect(framesOf([new Float32Array(1)])).toHaveLength(1);
  });

  it('does not let what follows change what was', () => {
    const loud = Float32Array.from({ length: 32_000 }, (_, i) =>
      i < 16_000 ? 0.1 * Math.sin(i) : 0.9 * Math.sin(i * 0.1),
    );
    const [a, b] = [framesOf([loud.subarray(0, 16_000)]), framesOf([loud])];
    // 322.5 ms before the end, nothing of the second half is in sight.
    expect(b.slice(0, 15)).toEqual(a.slice(0, 15));
  });
});
