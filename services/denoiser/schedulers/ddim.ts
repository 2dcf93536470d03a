import { invalidField } from '#lib/fault/fault.ts';
import type { DiffusionRecipe } from '#lib/inference/manifest.ts';
import { cumulativeAlphas } from './cumulative-alphas.ts';
import type { Scheduler } from './scheduler.ts';
import { leadingPlusOneTimesteps, trailingTimesteps } from './timestep-spacing.ts';

/** What a step multiplies its latents and the model's output with. */
interface StepWeights {
  readonly latents: number;
  readonly modelOutput: number;
}

/**
 * DDIM with eta 0 (Song et al. 2021, equation 12), which is also the few-step sampler of distilled or
 * sample-predicting bundles. With a and b the cumulative alphas now and next, x0 and e the clean latents and the
 * noise that the model implies, a step gives sqrt(b) x0 + sqrt(1 - b) e. For every prediction type that is
 * linear in the latents and the model's output, so a step is two weights.
 *
 * @param stepCount steps as asked for, within the recipe's range
 * @param field where they were asked for, for the fault
 * @throws Fault invalid STEPS_OUT_OF_RANGE, STEPS_UNSUPPORTED
 */
export function createDdimScheduler(
  recipe: DiffusionRecipe,
  stepCount: number,
  field = 'inference_step_count',
): Scheduler {
  const { steps, trainTimesteps, timestepSpacing } = recipe;
  if (!Number.isInteger(stepCount) || stepCount < steps.min || stepCount > steps.max) {
    const description = `is ${stepCount}; this bundle takes ${steps.min} to ${steps.max}, or 0 for its default, ${steps.default}`;
    throw invalidField('STEPS_OUT_OF_RANGE', field, description);
  }
  const timesteps =
    timestepSpacing === 'trailing'
      ? trailingTimesteps(trainTimesteps, stepCount)
      : leadingPlusOneTimesteps(trainTimesteps, stepCount, field);
  const alphas = cumulativeAlphas(recipe);
  const finalAlpha = recipe.finalAlphaCumprod === 'one' ? 1 : alphas[0]!;
  const alphaAt = timesteps.map((timestep) => alphas[timestep]!);
  const weights = alphaAt.map((alpha, step) =>
    stepWeights(recipe.predictionType, alpha, alphaAt[step + 1] ?? finalAlpha),
  );
  return {
    timesteps,
    initialNoiseScale: 1,
    step(modelOutput, stepIndex, latents, out) {
      const weight = weights[stepIndex]!;
      for (let at = 0; at < out.length; at++) {
        out[at] = weight.latents * latents[at]! + weight.modelOutput * modelOutput[at]!;
      }
    },
    addNoise(original, noise, stepIndex, out) {
      const signal = Math.sqrt(alphaAt[stepIndex]!);
      const spread = Math.sqrt(1 - alphaAt[stepIndex]!);
      for (let at = 0; at < out.length; at++) out[at] = signal * original[at]! + spread * noise[at]!;
    },
  };
}

function stepWeights(type: DiffusionRecipe['predictionType'], alpha: number, nextAlpha: number): StepWeights {
  const signal = Math.sqrt(alpha);
  const spread = Math.sqrt(1 - alpha);
  const nextSignal = Math.sqrt(nextAlpha);
  const nextSpread = Math.sqrt(1 - nextAlpha);
  switch (type) {
    case 'epsilon': {
      // x0 = (x - spread e) / signal
      const latents = nextSignal / signal;
      return { latents, modelOutput: nextSpread - latents * spread };
    }
    case 'sample': {
      // e = (x - signal x0) / spread
      const latents = nextSpread / spread;
      return { latents, modelOutput: nextSignal - latents * signal };
    }
    case 'v-prediction':
      // x0 = signal x - spread v, e = signal v + spread x (Salimans & Ho 2022, appendix D)
      return {
        latents: nextSignal * signal + nextSpread * spread,
        modelOutput: nextSpread * signal - nextSignal * spread,
      };
  }
}
