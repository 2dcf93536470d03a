import type { DiffusionRecipe } from '#lib/inference/manifest.ts';

/**
 * The cumulative product of 1 - beta over the training timesteps, the betas being the squares of
 * linspace(sqrt(betaStart), sqrt(betaEnd), trainTimesteps).
 */
export function cumulativeAlphas(
  recipe: Pick<DiffusionRecipe, 'betaStart' | 'betaEnd' | 'trainTimesteps'>,
): Float64Array {
  const { betaStart, betaEnd, trainTimesteps } = recipe;
  const first = Math.sqrt(betaStart);
  const last = Math.sqrt(betaEnd);
  const interval = trainTimesteps > 1 ? (last - first) / (trainTimesteps - 1) : 0;
  const alphas = new Float64Array(trainTimesteps);
  let product = 1;
  for (let timestep = 0; timestep < trainTimesteps; timestep++) {
    const root = first + interval * timestep;
    product *= 1 - root * root;
    alphas[timestep] = product;
  }
  return alphas;
}
