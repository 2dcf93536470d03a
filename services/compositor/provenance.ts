/** How an output came to be: enough to make it again. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ProvenanceSchema } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import type { ResolvedRecipe } from '#lib/recipe/resolve-recipe.ts';
import type { RenderTally } from './tally.ts';

export interface ProvenanceFacts {
  readonly bundle: Bundle;
  readonly recipe: ResolvedRecipe;
  readonly tally: RenderTally;
  readonly source: { readonly sha256: string };
  /** Undefined for live speech. */
  readonly voice?: { readonly sha256: string } | undefined;
  readonly talkmeshVersion: string;
}

export function provenance(facts: ProvenanceFacts): MessageInitShape<typeof ProvenanceSchema> {
  const { bundle, recipe, tally, source, voice, talkmeshVersion } = facts;
  return {
    bundle: bundle.manifest.name,
    bundleVersion: bundle.manifest.version,
    manifestSha256: bundle.manifestSha256,
    inferenceStepCount: recipe.inferenceStepCount,
    seed: recipe.seed,
    referenceMode: recipe.referenceMode,
    guidanceScale: recipe.guidanceScale,
    provider: tally.provider,
    sourceSha256: source.sha256,
    voiceSha256: voice?.sha256 ?? '',
    talkmeshVersion,
  };
}
