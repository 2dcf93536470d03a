import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BundleSchema } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import {
  Container,
  FaceRecipeSchema,
  OutputRecipeSchema,
  ReferenceMode,
  VisibleMark,
} from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { resolveRecipe } from './resolve-recipe.ts';

const BUNDLE = create(BundleSchema, {
  name: 'f8-512',
  frameRate: { numerator: 25, denominator: 1 },
  defaultStepCount: 2,
  maxStepCount: 200,
  referenceModes: [ReferenceMode.PROGRESSIVE],
  visibleMarkRequired: true,
});

function resolve(
  face: MessageInitShape<typeof FaceRecipeSchema> = {},
  output: MessageInitShape<typeof OutputRecipeSchema> = {},
) {
  return resolveRecipe(create(FaceRecipeSchema, face), create(OutputRecipeSchema, output), BUNDLE);
}

const refusal = (reason: string, field: string) =>
  expect.objectContaining({ kind: 'invalid', reason, violations: [expect.objectContaining({ field })] });

describe('resolveRecipe', () => {
  it('fills every default from the bundle', () => {
    const expected = {
      bundle: 'f8-512',
      inferenceStepCount: 2,
      seed: 0n,
      guidanceScale: 1,
      referenceMode: ReferenceMode.PROGRESSIVE,
      container: Container.MP4,
      generatedFrameRate: { numerator: 25, denominator: 1 },
      outputFrameRate: { numerator: 25, denominator: 1 },
      constantRateFactor: 18,
      visibleMark: true,
    };
    expect(resolveRecipe(undefined, undefined, BUNDLE)).toMatchObject(expected);
    expect(resolve()).toMatchObject(expected);
    expect(resolve({}, { container: Container.WEBM }).constantRateFactor).toBe(30);
  });

  it.each([
    [{ inferenceStepCount: 10_000 }, {}, 'STEPS_OUT_OF_RANGE', 'face.inferenceStepCount'],
    [{ inferenceStepCount: -1 }, {}, 'STEPS_OUT_OF_RANGE', 'face.inferenceStepCount'],
    [{ guidanceScale: 11 }, {}, 'GUIDANCE_OUT_OF_RANGE', 'face.guidanceScale'],
    [
      { guidanceScale: Number.NaN },
      { constantRateFactor: 52 },
      'RATE_FACTOR_OUT_OF_RANGE',
      'output.constantRateFactor',
    ],
    [{ guidanceScale: 2 }, {}, 'GUIDANCE_UNSUPPORTED', 'face.guidanceScale'],
    [{ referenceMode: ReferenceMode.FIXED }, {}, 'REFERENCE_MODE_UNSUPPORTED', 'face.referenceMode'],
    [{ referenceMode: 9 as ReferenceMode }, {}, 'REFERENCE_MODE_UNSUPPORTED', 'face.referenceMode'],
    [{}, { frameRate: { numerator: 24 } }, 'FRAME_RATE_UNSUPPORTED', 'output.frameRate'],
    [{}, { frameRate: { numerator: 61 } }, 'FRAME_RATE_UNSUPPORTED', 'output.frameRate'],
    [{}, { frameRate: { numerator: 25, denominator: -1 } }, 'FRAME_RATE_UNSUPPORTED', 'output.frameRate'],
    [{}, { visibleMark: VisibleMark.OFF }, 'MARK_REQUIRED', 'output.visibleMark'],
  ] as const)('refuses %j %j with %s', (face, output, reason, field) => {
    expect(() => resolve(face, output)).toThrow(refusal(reason, field));
  });

  it('names every field that is wrong at once', () => {
    expect(() => resolve({ inferenceStepCount: 999, guidanceScale: 50 })).toThrow(
      expect.objectContaining({
        reason: 'RECIPE_INVALID',
        violations: [
          expect.objectContaining({ field: 'face.inferenceStepCount' }),
          expect.objectContaining({ field: 'face.guidanceScale' }),
        ],
      }),
    );
  });

  it('takes rational rates', () => {
    const { outputFrameRate } = resolve({}, { frameRate: { numerator: 60_000, denominator: 1001 } });
    expect(outputFrameRate).toEqual({ numerator: 60_000, denominator: 1001 });
  });
});
