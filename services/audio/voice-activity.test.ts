import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeSoundFile } from '#lib/media/sound.ts';
import { collect, join32 } from '#lib/media/test-media.ts';
import { createFrameClock } from './frame-clock.ts';
import { createSpeechFrames } from './speech-frames.ts';
import { readGolden } from './testing/golden.ts';
import { DEFAULT_VOICE_ACTIVITY } from './voice-activity.ts';

const SPEECH = fileURLToPath(new URL('../../demo/speech.wav', import.meta.url));
const RATE = 16_000;

let recipe: Awaited<ReturnType<typeof readGolden>>['recipe'];
let speech: Float32Array;
beforeAll(async () => {
  recipe = (await readGolden()).recipe;
  speech = join32(await collect(decodeSoundFile(SPEECH, { sampleRateHz: RATE })));
});

/** The activity of each video frame. */
function activityOf(...parts: readonly Float32Array[]): number[] {
  const frames = createSpeechFrames(
    recipe,
    createFrameClock(recipe, { numerator: 25, denominator: 1 }),
    DEFAULT_VOICE_ACTIVITY,
  );
  return [...parts.flatMap((part) => frames.push(part)), ...frames.flush()].map(
    ({ voiceActivity }) => voiceActivity,
  );
}

/** Uniform noise of this amplitude, the same each time. */
function noise(seconds: number, amplitude: number): Float32Array {
  let state = 7;
  return Float32Array.from({ length: seconds * RATE }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return amplitude * (state / 2 ** 31 - 1);
  });
}

const silence = (seconds: number) => new Float32Array(seconds * RATE);
const share = (activity: readonly number[]) =>
  activity.filter((value) => value >= 0.5).length / activity.length;
const frames = (activity: readonly number[], from: number, to: number) => activity.slice(from * 25, to * 25);

describe('voice activity', () => {
  it('is 0 in digital silence and in the hiss of a quiet room', () => {
    expect(Math.max(...activityOf(silence(2)))).toBe(0);
    expect(Math.max(...activityOf(noise(2, 0.0005)))).toBe(0);
  });

  it('is high while somebody speaks and 0 in the silence before and after', () => {
    const activity = activityOf(silence(2), speech, silence(2));
    const end = 2 + speech.length / RATE;
    expect(share(frames(activity, 2.2, end - 0.3))).toBeGreaterThan(0.9);
    expect(Math.max(...frames(activity, 0, 1.88))).toBe(0);
    // The mouth may take 0.2 s to close.
    expect(Math.max(...frames(activity, end + 0.2, end + 2))).toBe(0);
  });

  it('finds quiet speech', () => {
    const quiet = speech.map((sample) => sample / 10);
    expect(share(activityOf(quiet))).toBeGreaterThan(0.6);
  });

  it('learns steady noise, and still finds speech in it', () => {
    const hiss = noise(20, 0.01);
    expect(Math.max(...frames(activityOf(hiss), 5, 20))).toBeLessThan(0.1);
    const mixed = hiss.slice(0, 5 * RATE + speech.length);
    for (const [i, sample] of speech.entries()) mixed[5 * RATE + i]! += sample;
    expect(share(frames(activityOf(mixed), 5.2, 11.5))).toBeGreaterThan(0.7);
  });

  it('does not take a steady tone for speech for long', () => {
    const hum = Float32Array.from(
      { length: 10 * RATE },
      (_, i) => 0.2 * Math.sin((2 * Math.PI * 100 * i) / RATE),
    );
    expect(share(frames(activityOf(hum), 1, 10))).toBe(0);
  });
});
