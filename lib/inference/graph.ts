import { abortFault, Fault } from '#lib/fault/fault.ts';
import { describeTensor, type TensorValue, viewTensor } from '#lib/tensor/tensor.ts';
import type { BufferPool } from './buffer-pool.ts';
import { batchShape, byteLength } from './graph-shape.ts';
import type { FailedLaneRun, LaneRun } from './lane.ts';
import type { GraphName, GraphSpec, GraphTensorSpec } from './manifest.ts';

export type Tensors = Readonly<Record<string, TensorValue>>;

export interface GraphResult {
  /** By name, in the shapes of the spec. */
  readonly outputs: Tensors;
  /** Time inside the ONNX run. */
  readonly elapsedMs: number;
}

/** An opened graph of a bundle. */
export interface Graph {
  /** Name of the bundle. */
  readonly bundle: string;
  readonly name: GraphName;
  readonly spec: GraphSpec;
  /**
   * Runs the graph once on a copy of the inputs. The batch size is the first dimension of each input. The caller
   * owns the outputs.
   *
   * @param signal when it aborts, the promise rejects at once; a run already inside ONNX ends unseen
   * @throws Fault internal GRAPH_INPUT_MISMATCH, INFERENCE_FAILED; unavailable INFERENCE_WORKER_LOST; or the abort
   */
  run(inputs: Tensors, signal?: AbortSignal): Promise<GraphResult>;
  /** Memory for one run, to be filled in place: no copy, no allocation once the pool is warm. */
  prepare(batchSize: number): GraphCall;
}

/** One run on memory of the pool: fill `inputs`, `run` once, read its outputs, `release`. */
export interface GraphCall {
  readonly batchSize: number;
  /** To be filled whole before the run, and not touched after it begins. */
  readonly inputs: Tensors;
  /** @throws Fault internal INFERENCE_FAILED; unavailable INFERENCE_WORKER_LOST, INFERENCE_CLOSED */
  run(): Promise<GraphResult>;
  /** Gives the memory of the outputs back; they must not be read any more. */
  release(): void;
}

/** Runs buffers (inputs, then outputs) through a graph, or drops a run that has not begun when `signal` aborts. */
export type Submit = (
  batchSize: number,
  buffers: readonly ArrayBuffer[],
  signal: AbortSignal | undefined,
) => Promise<LaneRun | FailedLaneRun>;

export function createGraph(
  bundle: string,
  name: GraphName,
  spec: GraphSpec,
  pool: BufferPool,
  submit: Submit,
): Graph {
  const inputSpecs = Object.entries(spec.inputs);
  const outputSpecs = Object.entries(spec.outputs);

  const prepare = (batchSize: number, signal?: AbortSignal): GraphCall => {
    const capacity = 2 ** Math.ceil(Math.log2(batchSize));
    const take = ([, tensor]: readonly [string, GraphTensorSpec]): ArrayBuffer =>
      pool.take(byteLength(tensor, capacity));
    const buffers = [...inputSpecs, ...outputSpecs].map(take);
    let outputBuffers: readonly ArrayBuffer[] = [];
    return {
      batchSize,
      inputs: views(inputSpecs, batchSize, buffers),
      async run() {
        const result = await submit(batchSize, buffers, signal);
        for (const buffer of result.buffers.slice(0, inputSpecs.length)) pool.give(buffer);
        outputBuffers = result.buffers.slice(inputSpecs.length);
        if ('fault' in result) {
          for (const buffer of outputBuffers) pool.give(buffer);
          throw result.fault;
        }
        return {
          outputs: views(outputSpecs, batchSize, outputBuffers),
          elapsedMs: result.endMs - result.startMs,
        };
      },
      release() {
        for (const buffer of outputBuffers) pool.give(buffer);
        outputBuffers = [];
      },
    };
  };

  return {
    bundle,
    name,
    spec,
    prepare: (batchSize) => prepare(batchSize),
    async run(inputs, signal) {
      if (signal?.aborted) throw abortFault(signal);
      const call = prepare(checkInputs(`${bundle}/${name}`, spec, inputs), signal);
      for (const [input] of inputSpecs) copyValues(inputs[input]!, call.inputs[input]!);
      if (signal === undefined) return call.run();
      const aborted = Promise.withResolvers<never>();
      const abort = (): void => aborted.reject(abortFault(signal));
      signal.addEventListener('abort', abort, { once: true });
      try {
        return await Promise.race([call.run(), aborted.promise]);
      } finally {
        signal.removeEventListener('abort', abort);
      }
    },
  };
}

function views(
  specs: readonly (readonly [string, GraphTensorSpec])[],
  batchSize: number,
  buffers: readonly ArrayBuffer[],
): Tensors {
  return Object.fromEntries(
    specs.map(([name, spec], at) => [
      name,
      viewTensor(spec.dtype, batchShape(spec, batchSize), buffers[at]!),
    ]),
  );
}

function copyValues(from: TensorValue, to: TensorValue): void {
  if (from.dtype === 'int64' && to.dtype === 'int64') to.data.set(from.data);
  else if (from.dtype === 'float32' && to.dtype === 'float32') to.data.set(from.data);
}

/** The batch size of these inputs, which must be exactly those of the spec. */
function checkInputs(graph: string, spec: GraphSpec, inputs: Tensors): number {
  const names = Object.keys(spec.inputs);
  const batchSize = inputs[names[0]!]?.shape[0] ?? 0;
  const problems = Object.keys(inputs)
    .filter((name) => !Object.hasOwn(spec.inputs, name))
    .map((name) => `${name} is not an input`);
  for (const name of names) {
    const expected = spec.inputs[name]!;
    const shape = batchShape(expected, batchSize);
    const actual = inputs[name];
    const fits = actual?.dtype === expected.dtype && actual.shape.join() === shape.join() && batchSize >= 1;
    if (fits) continue;
    const is = actual === undefined ? 'missing' : describeTensor(actual.dtype, actual.shape);
    problems.push(`${name} is ${is}, expected ${describeTensor(expected.dtype, expected.shape)}`);
  }
  if (problems.length === 0) return batchSize;
  throw new Fault('internal', 'GRAPH_INPUT_MISMATCH', `inputs of ${graph}: ${problems.join('; ')}`);
}
