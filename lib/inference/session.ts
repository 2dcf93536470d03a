/** The worker's side of a graph: reads, checks and opens the model, and runs it on transferred buffers. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { Fault } from '#lib/fault/fault.ts';
import { elementCount } from '#lib/tensor/tensor.ts';
import { checkChecksum, graphUnreadable } from './bundle.ts';
import { checkGraph, type ModelTensor } from './graph-check.ts';
import { batchShape, byteLength } from './graph-shape.ts';
import type { GraphTensorSpec } from './manifest.ts';
import { readOpsetImports } from './onnx-header.ts';
import type { Provider } from './provider.ts';
import { type GraphOpening, monotonicMs } from './worker-protocol.ts';

/** ONNX Runtime reports failures by exception, so its own log says nothing more; 4 is "fatal". */
const LOG_SEVERITY_LEVEL = 4;

/**
 * How long a thread of a run waits for its next share of work before it sleeps. Without a limit, as is the default,
 * waiting threads take the processor from whoever else has work: on two cores shared with an encoder that
 * made a run four times slower. With none, an idle machine is 6 % slower than with this.
 */
const SPIN_DURATION_US = 50;

export interface Session {
  /** Runs once; `buffers` are the inputs, then the outputs, which are written in place. */
  run(batchSize: number, buffers: readonly ArrayBuffer[]): Promise<{ startMs: number; endMs: number }>;
  close(): Promise<void>;
}

export function sessionOptions(provider: Provider, threadCount: number): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    intraOpNumThreads: threadCount,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: LOG_SEVERITY_LEVEL,
    extra: { session: { intra_op: { spin_duration_us: String(SPIN_DURATION_US) } } },
  };
}

/**
 * Opens a graph. The bytes whose checksum is compared are the bytes that are loaded.
 *
 * @throws Fault corrupt BUNDLE_CHECKSUM_MISMATCH; precondition BUNDLE_GRAPH_UNREADABLE, BUNDLE_GRAPH_MISMATCH;
 *   unsupported BUNDLE_GRAPH_UNSUPPORTED when ONNX Runtime cannot load it
 */
export async function openSession(
  opening: GraphOpening,
  options: InferenceSession.SessionOptions,
): Promise<Session> {
  const { bundle, path, spec } = opening;
  const model = await readFile(path).catch((cause: unknown) => {
    throw graphUnreadable(bundle, spec.file, cause);
  });
  checkChecksum(bundle, spec, createHash('sha256').update(model).digest('hex'));
  const session = await load(opening, model, options);
  const opset = readOpsetImports(model).get('');
  const inputs = session.inputMetadata.map(modelTensor);
  const outputs = session.outputMetadata.map(modelTensor);
  checkGraph(bundle, spec, { opset, inputs, outputs });

  const inputSpecs = Object.entries(spec.inputs);
  const outputSpecs = Object.entries(spec.outputs);
  const tensors = (
    specs: readonly (readonly [string, GraphTensorSpec])[],
    batchSize: number,
    buffers: readonly ArrayBuffer[],
  ): Record<string, Tensor> =>
    Object.fromEntries(
      specs.map(([name, tensor], at) => [name, tensorOver(tensor, batchSize, buffers[at]!)]),
    );

  const run: Session['run'] = async (batchSize, buffers) => {
    const feeds = tensors(inputSpecs, batchSize, buffers);
    const fetches = tensors(outputSpecs, batchSize, buffers.slice(inputSpecs.length));
    const startMs = monotonicMs();
    try {
      await session.run(feeds, fetches);
    } catch (cause) {
      throw new Fault(
        'internal',
        'INFERENCE_FAILED',
        `the graph ${spec.file} of the bundle ${bundle} failed`,
        { cause },
      );
    }
    return { startMs, endMs: monotonicMs() };
  };

  if (opening.warmUp) {
    const specs = [...inputSpecs, ...outputSpecs];
    await run(
      1,
      specs.map(([, tensor]) => new ArrayBuffer(byteLength(tensor, 1))),
    );
  }
  return { run, close: () => session.release() };
}

async function load(
  { bundle, spec }: GraphOpening,
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model, options);
  } catch (cause) {
    const message = `onnxruntime cannot load the graph ${spec.file} of the bundle ${bundle} (declared opset ${spec.opset}); export it for an operator set that it supports`;
    throw new Fault('unsupported', 'BUNDLE_GRAPH_UNSUPPORTED', message, {
      metadata: { bundle, file: spec.file },
      cause,
    });
  }
}

function modelTensor(metadata: InferenceSession.ValueMetadata): ModelTensor {
  return metadata.isTensor
    ? { name: metadata.name, dtype: metadata.type, shape: metadata.shape }
    : { name: metadata.name, dtype: 'not a tensor', shape: [] };
}

function tensorOver(spec: GraphTensorSpec, batchSize: number, buffer: ArrayBuffer): Tensor {
  const shape = batchShape(spec, batchSize);
  const count = elementCount(shape);
  return spec.dtype === 'int64'
    ? new Tensor('int64', new BigInt64Array(buffer, 0, count), shape)
    : new Tensor('float32', new Float32Array(buffer, 0, count), shape);
}
