import { type DenoiseHeader, StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { RgbImage } from '#gen/talkmesh/media/v1/media_pb.ts';
import { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { Fault, invalidField, isFault } from '#lib/fault/fault.ts';
import type { BundleManifest, ReferenceModeName } from '#lib/inference/manifest.ts';
import { referenceModeName } from '#lib/recipe/reference-mode.ts';
import { createDdimScheduler } from './schedulers/ddim.ts';
import type { Scheduler } from './schedulers/scheduler.ts';

/** The terms of a stream, every default filled in. */
export interface StreamTerms {
  /** RGB bytes of the reference face, of the bundle's region size. */
  readonly referencePixels: Uint8Array;
  readonly scheduler: Scheduler;
  readonly seed: bigint;
  /** 1 is off. */
  readonly guidanceScale: number;
  readonly referenceMode: ReferenceModeName;
  readonly live: boolean;
}

/**
 * Reads the header of a stream.
 *
 * @throws Fault invalid with the reason of its one violation, or HEADER_INVALID with all of them: REGION_MISSING,
 *   REGION_SIZE_MISMATCH, STEPS_OUT_OF_RANGE, STEPS_UNSUPPORTED, GUIDANCE_OUT_OF_RANGE, GUIDANCE_UNSUPPORTED,
 *   REFERENCE_MODE_UNSUPPORTED, STREAM_CLASS_UNKNOWN
 */
export function readTerms(
  header: DenoiseHeader,
  manifest: BundleManifest,
  maxGuidanceScale: number,
): StreamTerms {
  const faults: Fault[] = [];
  const read = <T>(part: () => T): T | undefined => {
    try {
      return part();
    } catch (error) {
      if (!isFault(error)) throw error;
      faults.push(error);
      return undefined;
    }
  };
  const { diffusion } = manifest;
  const referencePixels = read(() =>
    regionPixels(header.referenceRegion, 'header.reference_region', manifest),
  );
  const scheduler = read(() =>
    createDdimScheduler(
      diffusion,
      header.inferenceStepCount || diffusion.steps.default,
      'header.inference_step_count',
    ),
  );
  const guidanceScale = read(() => readGuidanceScale(header.guidanceScale, manifest, maxGuidanceScale));
  const referenceMode = read(() => readReferenceMode(header.referenceMode, manifest));
  const live = read(() => isLive(header.streamClass));
  if (
    referencePixels === undefined ||
    scheduler === undefined ||
    guidanceScale === undefined ||
    referenceMode === undefined ||
    live === undefined
  ) {
    throw faults.length === 1 ? faults[0]! : allOf(faults);
  }
  return { referencePixels, scheduler, seed: header.seed, guidanceScale, referenceMode, live };
}

/**
 * The pixels of an image that must be of the bundle's region size.
 *
 * @throws Fault invalid REGION_MISSING, REGION_SIZE_MISMATCH
 */
export function regionPixels(
  image: RgbImage | undefined,
  field: string,
  manifest: BundleManifest,
): Uint8Array {
  const { width, height } = manifest.region;
  const wanted = `the region of bundle ${manifest.name}, ${width}x${height} RGB (${width * height * 3} bytes)`;
  if (image === undefined) throw invalidField('REGION_MISSING', field, `is required: ${wanted}`);
  if (image.width !== width || image.height !== height || image.data.length !== width * height * 3) {
    const description = `is ${image.width}x${image.height} with ${image.data.length} bytes; send ${wanted}`;
    throw invalidField('REGION_SIZE_MISMATCH', field, description);
  }
  return image.data;
}

function readGuidanceScale(asked: number, manifest: BundleManifest, max: number): number {
  const field = 'header.guidance_scale';
  const recipe = manifest.diffusion.guidanceScale;
  const scale = asked === 0 ? recipe.default : asked;
  if (!(scale >= 1 && scale <= max)) {
    throw invalidField(
      'GUIDANCE_OUT_OF_RANGE',
      field,
      `is ${scale}; send 1 (off) to ${max}, or 0 for ${recipe.default}`,
    );
  }
  if (scale !== 1 && recipe.unconditionalContext === undefined) {
    const description = `is ${scale}, but bundle ${manifest.name} was trained without guidance; send 1 or 0`;
    throw invalidField('GUIDANCE_UNSUPPORTED', field, description);
  }
  return scale;
}

function readReferenceMode(asked: ReferenceMode, manifest: BundleManifest): ReferenceModeName {
  const { modes, default: preset } = manifest.reference;
  if (asked === ReferenceMode.UNSPECIFIED) return preset;
  const mode = referenceModeName(asked);
  if (mode !== undefined && modes.includes(mode)) return mode;
  const description = `is ${mode ?? asked}; bundle ${manifest.name} has ${modes.join(' and ')}`;
  throw invalidField('REFERENCE_MODE_UNSUPPORTED', 'header.reference_mode', description);
}

function isLive(streamClass: StreamClass): boolean {
  if (streamClass === StreamClass.LIVE) return true;
  if (streamClass === StreamClass.BULK || streamClass === StreamClass.UNSPECIFIED) return false;
  throw invalidField(
    'STREAM_CLASS_UNKNOWN',
    'header.stream_class',
    `is ${streamClass}; send BULK (1) or LIVE (2)`,
  );
}

function allOf(faults: readonly Fault[]): Fault {
  const violations = faults.flatMap((fault) => fault.violations);
  return new Fault('invalid', 'HEADER_INVALID', faults.map(({ message }) => message).join('; '), {
    violations,
  });
}
