/** A model bundle as a caller sees it. */
import { create } from '@bufbuild/protobuf';
import {
  type Bundle as BundleOffer,
  BundleSchema,
} from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import { referenceModeOf } from '#lib/recipe/reference-mode.ts';

export function offerBundle({ manifest, manifestSha256 }: Bundle, isDefault: boolean): BundleOffer {
  const { diffusion, reference } = manifest;
  const others = reference.modes.filter((mode) => mode !== reference.default);
  return create(BundleSchema, {
    name: manifest.name,
    version: manifest.version,
    method: manifest.method,
    imageSize: manifest.image.sizePx,
    frameRate: manifest.fps,
    defaultStepCount: diffusion.steps.default,
    maxStepCount: diffusion.steps.max,
    licence: manifest.licence,
    manifestSha256,
    isDefault,
    referenceModes: [reference.default, ...others].map(referenceModeOf),
    visibleMarkRequired: manifest.policy.visibleMark,
    guidanceSupported: diffusion.guidanceScale.unconditionalContext !== undefined,
  });
}
