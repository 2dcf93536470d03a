/** Reference modes by the names that manifests and people use. */
import { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import type { ReferenceModeName } from '#lib/inference/manifest.ts';

const MODES: Readonly<Record<ReferenceModeName, ReferenceMode>> = {
  fixed: ReferenceMode.FIXED,
  progressive: ReferenceMode.PROGRESSIVE,
  source: ReferenceMode.SOURCE,
};

export const REFERENCE_MODE_NAMES = Object.keys(MODES) as readonly ReferenceModeName[];

export function referenceModeOf(name: ReferenceModeName): ReferenceMode {
  return MODES[name];
}

/** Undefined for an unspecified or unknown mode. */
export function referenceModeName(mode: ReferenceMode): ReferenceModeName | undefined {
  return REFERENCE_MODE_NAMES.find((name) => MODES[name] === mode);
}
