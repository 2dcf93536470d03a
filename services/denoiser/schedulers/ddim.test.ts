import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isFault } from '#lib/fault/fault.ts';
import type { DiffusionRecipe } from '#lib/inference/manifest.ts';
import { cumulativeAlphas } from './cumulative-alphas.ts';
import { createDdimScheduler } from './ddim.ts';

interface Golden {
  readonly source: string;
  readonly traces: readonly {
    readonly timestepSpacing: DiffusionRecipe['timestepSpacing'];
    readonly predictionType: DiffusionRecipe['predictionType'];
    readonly steps: number;
    readonly timesteps: readonly number[];
    readonly initial: readonly number[];
    readonly final: readonly number[];
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../../../test/golden/ddim.json', import.meta.url), 'utf8'),
) as Golden;

const RECIPE: DiffusionRecipe = {
  betaSchedule: 'scaled-linear',
  betaStart: 0.0015,
  betaEnd: 0.0195,
  trainTimesteps: 1000,
  predictionType: 'sample',
  timestepSpacing: 'trailing',
  finalAlphaCumprod: 'one',
  steps: { default: 2, min: 1, max: 1000 },
  guidanceScale: { default: 1 },
  inpaint: 'none',
};
const RELEASED: DiffusionRecipe = {
  ...RECIPE,
  predictionType: 'epsilon',
  timestepSpacing: 'leading-plus-one',
  finalAlphaCumprod: 'first',
};

function refused(recipe: DiffusionRecipe, stepCount: number): string | undefined {
  try {
    createDdimScheduler(recipe, stepCount);
  } catch (error) {
    if (isFault(error)) return `${error.reason} ${error.message}`;
    throw error;
  }
  return undefined;
}

describe('cumulativeAlphas()', () => {
  it('are those of the released DiffTalk code (reference: method.md, section 1, computed there)', () => {
    const alphas = cumulativeAlphas(RECIPE);
    const expected: [number, number][] = [
      [0, 0.9985],
      [1, 0.99699443],
      [496, 0.11864371],
      [996, 0.00015095],
      [999, 0.0001423],
    ];
    for (const [timestep, alpha] of expected) expect(alphas[timestep]).toBeCloseTo(alpha, 8);
  });
});

describe('createDdimScheduler()', () => {
  it.each(golden.traces)('follows diffusers: $timestepSpacing, $predictionType, $steps steps', (trace) => {
    const base = trace.timestepSpacing === 'trailing' ? RECIPE : RELEASED;
    const scheduler = createDdimScheduler({ ...base, predictionType: trace.predictionType }, trace.steps);
    expect(scheduler.timesteps).toEqual(trace.timesteps);
    const latents = Float32Array.from(trace.initial);
    for (const [stepIndex, timestep] of scheduler.timesteps.entries()) {
      const modelOutput = latents.map((value) => 0.8 * Math.sin(0.9 * value + 0.01 * timestep));
      scheduler.step(modelOutput, stepIndex, latents, latents);
    }
    const scale = Math.max(...trace.final.map(Math.abs));
    for (const [at, value] of trace.final.entries())
      expect(latents[at]! / scale).toBeCloseTo(value / scale, 4);
  });

  it('gives the prediction itself after the last step of a sample-predicting bundle', () => {
    const scheduler = createDdimScheduler(RECIPE, 1);
    const out = new Float32Array(3);
    scheduler.step(Float32Array.of(0.25, -1, 0.5), 0, Float32Array.of(9, -9, 1), out);
    expect([...out]).toEqual([0.25, -1, 0.5]);
  });

  it('takes trailing counts that do not divide the timesteps, each step ending where the next begins', () => {
    expect(createDdimScheduler(RECIPE, 3).timesteps).toEqual([999, 666, 332]);
    // 1000 - 3 * 62.5 is 812.5, which numpy rounds to 812.
    expect(createDdimScheduler(RECIPE, 16).timesteps.slice(0, 4)).toEqual([999, 937, 874, 811]);
    const all = createDdimScheduler(RECIPE, 1000).timesteps;
    expect(all).toEqual(Array.from({ length: 1000 }, (_, step) => 999 - step));
  });

  it('keeps the quirks of the released code: its timesteps, its counts and what it fails on', () => {
    const released = createDdimScheduler(RELEASED, 200).timesteps;
    expect([released.length, released[0], released.at(-1)]).toEqual([200, 996, 1]);
    expect(createDdimScheduler(RELEASED, 30).timesteps).toHaveLength(31);
    const failing = Array.from({ length: 1000 }, (_, at) => at + 1).filter((count) =>
      refused(RELEASED, count),
    );
    const range = (first: number, last: number) =>
      Array.from({ length: last - first + 1 }, (_, at) => first + at);
    // Reference: method.md, section 1, "Upstream bug", computed there.
    expect(failing).toEqual([
      3,
      9,
      27,
      ...range(36, 37),
      ...range(101, 111),
      ...range(251, 333),
      ...range(501, 1000),
    ]);
    expect(refused(RELEASED, 105)).toMatch(/^STEPS_UNSUPPORTED .* is 105, .* 100 or 112 works/);
  });

  it('adds noise as the forward process does', () => {
    const scheduler = createDdimScheduler(RELEASED, 200);
    const out = new Float32Array(2);
    // Timestep 496 is step 100 of 200; its cumulative alpha is 0.11864371.
    expect(scheduler.timesteps[100]).toBe(496);
    scheduler.addNoise(Float32Array.of(1, 0), Float32Array.of(0, 1), 100, out);
    expect(out[0]).toBeCloseTo(Math.sqrt(0.11864371), 6);
    expect(out[1]).toBeCloseTo(Math.sqrt(1 - 0.11864371), 6);
  });

  it.each([0, -1, 1.5, 201, 10_000, Number.NaN])(
    'refuses %d steps of a bundle that takes 1 to 200',
    (stepCount) => {
      const recipe = { ...RECIPE, steps: { default: 2, min: 1, max: 200 } };
      expect(refused(recipe, stepCount)).toBe(
        `STEPS_OUT_OF_RANGE inference_step_count: is ${stepCount}; this bundle takes 1 to 200, or 0 for its default, 2`,
      );
    },
  );
});
