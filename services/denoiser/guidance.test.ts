import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { parseManifest } from '#lib/inference/manifest-parser.ts';
import { float32Tensor, float32Values } from '#lib/tensor/tensor.ts';
import type { Engine } from './engine.ts';
import { createPredictor } from './guidance.ts';
import type { StreamTerms } from './terms.ts';

const tiny = parseManifest(
  JSON.parse(readFileSync(new URL('../../test/bundles/tiny/bundle.json', import.meta.url), 'utf8')),
  'tiny',
);

describe('createPredictor()', () => {
  const guidance = { default: 1, unconditionalContext: [7] };
  const manifest: BundleManifest = { ...tiny, diffusion: { ...tiny.diffusion, guidanceScale: guidance } };
  const engine = { bundle: { manifest }, latentLength: 2 } as Engine;

  /** The model gives [context, 2 * context]; contexts that were asked for are kept. */
  async function predict(
    guidanceScale: number,
  ): Promise<{ output: number[]; contexts: number[]; meanBatchSize: number }> {
    const contexts: number[] = [];
    const predictor = createPredictor(engine, { guidanceScale } as StreamTerms, async (stage, row) => {
      expect(stage).toBe('denoise');
      const context = float32Tensor([1, 1], new Float32Array(1));
      row.fill({ context });
      const [value] = float32Values(context) as unknown as [number];
      contexts.push(value);
      row.consume({ prediction: float32Tensor([1, 2], Float32Array.of(value, 2 * value)) });
      return { batchSize: contexts.length, inferenceMs: 1 };
    });
    let output: number[] = [];
    const meanBatchSize = await predictor({
      dueMs: 0,
      context: Float32Array.of(3),
      fill: () => undefined,
      advance(modelOutput) {
        output = [...modelOutput];
      },
    });
    return { output, contexts, meanBatchSize };
  }

  it('asks once, for the frame, when guidance is off', async () => {
    expect(await predict(1)).toEqual({ output: [3, 6], contexts: [3], meanBatchSize: 1 });
  });

  it('goes from the unconditional prediction through the conditional one, by the scale', async () => {
    // 7 + 2.5 * (3 - 7) and twice that.
    expect(await predict(2.5)).toEqual({ output: [-3, -6], contexts: [3, 7], meanBatchSize: 1.5 });
  });
});
