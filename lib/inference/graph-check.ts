import { Fault } from '#lib/fault/fault.ts';
import type { GraphSpec, GraphTensorSpec } from './manifest.ts';

/** What a loaded model says of one input or output; a text is the name of a free dimension. */
export interface ModelTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export interface ModelSignature {
  /** Version of the default ONNX operator set, or undefined when the model imports none. */
  readonly opset: number | undefined;
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
}

/**
 * Compares a loaded model with what its manifest declares: operator set, names, types, ranks, the free batch
 * dimension and every fixed one. An output dimension that the model leaves open is checked by its first run,
 * which writes into memory of the declared size.
 *
 * @throws Fault precondition BUNDLE_GRAPH_MISMATCH, which names every disagreement
 */
export function checkGraph(bundle: string, spec: GraphSpec, model: ModelSignature): void {
  const disagreements = [
    ...(model.opset === spec.opset ? [] : [`opset is ${model.opset ?? 'not given'}, declared ${spec.opset}`]),
    ...compare('input', spec.inputs, model.inputs),
    ...compare('output', spec.outputs, model.outputs),
  ];
  if (disagreements.length === 0) return;
  const message = `the graph ${spec.file} of the bundle ${bundle} disagrees with its manifest: ${disagreements.join('; ')}`;
  const violations = disagreements.map((description) => ({ field: spec.file, description }));
  throw new Fault('precondition', 'BUNDLE_GRAPH_MISMATCH', message, {
    violations,
    metadata: { bundle, file: spec.file },
  });
}

function compare(
  side: 'input' | 'output',
  declared: Readonly<Record<string, GraphTensorSpec>>,
  actual: readonly ModelTensor[],
): string[] {
  const byName = new Map(actual.map((tensor) => [tensor.name, tensor]));
  const missing = Object.keys(declared).filter((name) => !byName.has(name));
  const extra = actual.filter(({ name }) => !Object.hasOwn(declared, name));
  const disagreements = [
    ...missing.map((name) => `${side} ${name} is declared but absent`),
    ...extra.map(({ name }) => `${side} ${name} is not declared`),
  ];
  for (const [name, spec] of Object.entries(declared)) {
    const tensor = byName.get(name);
    if (tensor === undefined) continue;
    const fits =
      tensor.dtype === spec.dtype &&
      tensor.shape.length === spec.shape.length &&
      spec.shape.every((size, axis) => typeof tensor.shape[axis] === 'string' || tensor.shape[axis] === size);
    if (!fits) {
      const is = `${tensor.dtype} [${tensor.shape.join(', ')}]`;
      disagreements.push(`${side} ${name} is ${is}, declared ${spec.dtype} [${spec.shape.join(', ')}]`);
    }
  }
  return disagreements;
}
