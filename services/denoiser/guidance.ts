import type { Tensors } from '#lib/inference/graph.ts';
import { float32Values } from '#lib/tensor/tensor.ts';
import type { BatchStage, CallShare, Row } from './batcher.ts';
import type { Engine } from './engine.ts';
import type { StreamTerms } from './terms.ts';

/** One prediction of the denoiser for one frame. */
export interface Prediction {
  readonly dueMs: number;
  /** [K, D] of the frame. */
  readonly context: Float32Array;
  /** Writes everything but the context. */
  fill(inputs: Tensors): void;
  /** Takes the model's output, which is gone when it returns. */
  advance(modelOutput: Float32Array): void;
}

/** Makes a prediction; resolves to the batch size that it had (the mean, when it took two rows). */
export type Predictor = (prediction: Prediction) => Promise<number>;

/**
 * The denoiser under the stream's guidance: one row of the context at scale 1; else a second row of the bundle's
 * unconditional context, and unconditional + scale * (conditional - unconditional) (Ho & Salimans 2022).
 */
export function createPredictor(
  engine: Engine,
  { guidanceScale }: StreamTerms,
  submit: (stage: BatchStage, row: Row) => Promise<CallShare>,
): Predictor {
  const predict = (
    { dueMs, fill }: Prediction,
    context: ArrayLike<number>,
    consume: (output: Float32Array) => void,
  ) =>
    submit('denoise', {
      dueMs,
      fill(inputs) {
        fill(inputs);
        float32Values(inputs.context).set(context);
      },
      consume: (outputs) => consume(float32Values(outputs.prediction)),
    });

  const { unconditionalContext } = engine.bundle.manifest.diffusion.guidanceScale;
  if (guidanceScale === 1 || unconditionalContext === undefined) {
    return async (prediction) =>
      (await predict(prediction, prediction.context, prediction.advance)).batchSize;
  }
  return async (prediction) => {
    const guided = new Float32Array(engine.latentLength);
    const unconditional = new Float32Array(engine.latentLength);
    const [first, second] = await Promise.all([
      predict(prediction, prediction.context, (output) => guided.set(output)),
      predict(prediction, unconditionalContext, (output) => unconditional.set(output)),
    ]);
    for (let at = 0; at < guided.length; at++) {
      const base = unconditional[at]!;
      guided[at] = base + guidanceScale * (guided[at]! - base);
    }
    prediction.advance(guided);
    return (first.batchSize + second.batchSize) / 2;
  };
}
