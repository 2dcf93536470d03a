/** The face crop: where the bundle's template puts the anchors. */
import type { CropRecipe } from '#lib/inference/manifest.ts';
import { type Affine, fitSimilarity } from '#lib/media/affine.ts';
import type { LandmarkPoints } from './topology.ts';

/** The map from source pixels to crop pixels: least squares of the recipe's anchors onto its template. */
export function cropTransform(points: LandmarkPoints, recipe: CropRecipe): Affine {
  const anchors = recipe.anchors.map((index) => [points[2 * index]!, points[2 * index + 1]!] as const);
  return fitSimilarity(anchors, recipe.template);
}
