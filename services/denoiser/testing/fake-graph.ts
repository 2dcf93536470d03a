import type { GraphResult, Tensors } from '#lib/inference/graph.ts';
import type { GraphSpec } from '#lib/inference/manifest.ts';
import { float32Tensor, float32Values } from '#lib/tensor/tensor.ts';
import type { BatchGraph } from '../batcher.ts';

/** A call of a fake graph that has begun; its output is twice its input, row by row. */
export interface FakeCall {
  readonly rows: readonly number[];
  finish(): void;
  fail(error: Error): void;
}

const SPEC: GraphSpec = {
  file: 'double.onnx',
  sha256: '',
  opset: 17,
  precision: 'fp32',
  inputs: { x: { dtype: 'float32', shape: ['B', 1] } },
  outputs: { y: { dtype: 'float32', shape: ['B', 1] } },
};

export function createFakeGraph(
  onCall: (call: FakeCall) => void,
): BatchGraph & { readonly leased: () => number } {
  let leased = 0;
  return {
    spec: SPEC,
    leased: () => leased,
    prepare(batchSize) {
      leased++;
      const inputs: Tensors = { x: float32Tensor([batchSize, 1], new Float32Array(batchSize)) };
      return {
        batchSize,
        inputs,
        run: () =>
          new Promise<GraphResult>((resolve, reject) => {
            const rows = [...float32Values(inputs.x)];
            const y = float32Tensor(
              [batchSize, 1],
              Float32Array.from(rows, (value) => value * 2),
            );
            onCall({
              rows,
              finish: () => resolve({ outputs: { y }, elapsedMs: 6 }),
              fail(error) {
                leased--;
                reject(error);
              },
            });
          }),
        release() {
          leased--;
        },
      };
    },
  };
}
