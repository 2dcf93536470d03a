/**
 * A caller's recipe against what a bundle offers: every default filled in, or one Fault that names each field
 * that is out of range. The gateway asks before it queues a render, the compositor before it makes one.
 */
import type { Bundle } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import type { FaceChoice, FaceRecipe, OutputRecipe } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { Container, type ReferenceMode, VisibleMark } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { Fault, type FieldViolation } from '#lib/fault/fault.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import { referenceModeName } from './reference-mode.ts';

/** A recipe with nothing left open. */
export interface ResolvedRecipe {
  readonly bundle: string;
  readonly inferenceStepCount: number;
  readonly seed: bigint;
  readonly guidanceScale: number;
  readonly referenceMode: ReferenceMode;
  readonly faceChoice: FaceChoice | undefined;
  readonly container: Container;
  /** The bundle's rate, at which frames are generated. */
  readonly generatedFrameRate: FrameRate;
  /** The output's rate; frames between are interpolated when it is higher. */
  readonly outputFrameRate: FrameRate;
  readonly constantRateFactor: number;
  readonly visibleMark: boolean;
}

export const MAX_GUIDANCE_SCALE = 10;
export const MAX_CONSTANT_RATE_FACTOR = 51;
export const MAX_OUTPUT_FRAMES_PER_SECOND = 60;
const DEFAULT_H264_RATE_FACTOR = 18;
const DEFAULT_VP9_RATE_FACTOR = 30;

interface Violation extends FieldViolation {
  readonly reason: string;
}

/**
 * @throws Fault invalid, with the reason of the field when one is wrong (STEPS_OUT_OF_RANGE,
 * GUIDANCE_OUT_OF_RANGE, GUIDANCE_UNSUPPORTED, REFERENCE_MODE_UNSUPPORTED, FRAME_RATE_UNSUPPORTED,
 * RATE_FACTOR_OUT_OF_RANGE, MARK_REQUIRED), or RECIPE_INVALID when several are.
 */
export function resolveRecipe(
  face: FaceRecipe | undefined,
  output: OutputRecipe | undefined,
  bundle: Bundle,
): ResolvedRecipe {
  const violations: Violation[] = [];
  const refuse = (reason: string, field: string, description: string): void => {
    violations.push({ reason, field, description });
  };

  const steps = face?.inferenceStepCount || bundle.defaultStepCount;
  if (steps < 1 || steps > bundle.maxStepCount) {
    refuse(
      'STEPS_OUT_OF_RANGE',
      'face.inferenceStepCount',
      `${steps} is outside 1 to ${bundle.maxStepCount}, the range of bundle "${bundle.name}"; 0 means its default, ${bundle.defaultStepCount}`,
    );
  }
  const guidanceScale = face?.guidanceScale || 1;
  if (!(guidanceScale >= 1 && guidanceScale <= MAX_GUIDANCE_SCALE)) {
    refuse(
      'GUIDANCE_OUT_OF_RANGE',
      'face.guidanceScale',
      `${guidanceScale} is outside 1 to ${MAX_GUIDANCE_SCALE}; 1 switches guidance off`,
    );
  } else if (guidanceScale > 1 && !bundle.guidanceSupported) {
    refuse(
      'GUIDANCE_UNSUPPORTED',
      'face.guidanceScale',
      `bundle "${bundle.name}" has no unconditional context; use 1`,
    );
  }
  const referenceMode = face?.referenceMode || bundle.referenceModes[0]!;
  if (!bundle.referenceModes.includes(referenceMode)) {
    const offered = bundle.referenceModes.map((mode) => modeName(mode)).join(', ');
    refuse(
      'REFERENCE_MODE_UNSUPPORTED',
      'face.referenceMode',
      `${modeName(referenceMode)} is not offered by bundle "${bundle.name}"; it offers ${offered}`,
    );
  }

  const generatedFrameRate = {
    numerator: bundle.frameRate!.numerator,
    denominator: bundle.frameRate!.denominator || 1,
  };
  const outputFrameRate = output?.frameRate?.numerator
    ? { numerator: output.frameRate.numerator, denominator: output.frameRate.denominator || 1 }
    : generatedFrameRate;
  const framesPerSecond = outputFrameRate.numerator / outputFrameRate.denominator;
  const generatedPerSecond = generatedFrameRate.numerator / generatedFrameRate.denominator;
  if (!(framesPerSecond >= generatedPerSecond && framesPerSecond <= MAX_OUTPUT_FRAMES_PER_SECOND)) {
    refuse(
      'FRAME_RATE_UNSUPPORTED',
      'output.frameRate',
      `${outputFrameRate.numerator}/${outputFrameRate.denominator} is outside ${generatedPerSecond} (the rate of bundle "${bundle.name}") to ${MAX_OUTPUT_FRAMES_PER_SECOND} frames a second`,
    );
  }
  const container = output?.container || Container.MP4;
  const defaultRateFactor = container === Container.WEBM ? DEFAULT_VP9_RATE_FACTOR : DEFAULT_H264_RATE_FACTOR;
  const constantRateFactor = output?.constantRateFactor || defaultRateFactor;
  if (constantRateFactor < 1 || constantRateFactor > MAX_CONSTANT_RATE_FACTOR) {
    refuse(
      'RATE_FACTOR_OUT_OF_RANGE',
      'output.constantRateFactor',
      `${constantRateFactor} is outside 1 (best) to ${MAX_CONSTANT_RATE_FACTOR}; 0 means ${defaultRateFactor}`,
    );
  }
  const visibleMark = (output?.visibleMark || VisibleMark.ON) === VisibleMark.ON;
  if (!visibleMark && bundle.visibleMarkRequired) {
    refuse(
      'MARK_REQUIRED',
      'output.visibleMark',
      `bundle "${bundle.name}" demands the visible mark; leave it on`,
    );
  }

  if (violations.length > 0) throw recipeFault(violations);
  return {
    bundle: bundle.name,
    inferenceStepCount: steps,
    seed: face?.seed ?? 0n,
    guidanceScale,
    referenceMode,
    faceChoice: face?.faceChoice,
    container,
    generatedFrameRate,
    outputFrameRate,
    constantRateFactor,
    visibleMark,
  };
}

function recipeFault(violations: readonly Violation[]): Fault {
  const reason = violations.length === 1 ? violations[0]!.reason : 'RECIPE_INVALID';
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  return new Fault('invalid', reason, message, {
    violations: violations.map(({ field, description }) => ({ field, description })),
  });
}

function modeName(mode: ReferenceMode): string {
  return referenceModeName(mode) ?? `unknown mode ${mode}`;
}
