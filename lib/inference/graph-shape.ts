import { ELEMENT_BYTES, elementCount } from '#lib/tensor/tensor.ts';
import type { GraphTensorSpec } from './manifest.ts';

/** The shape of a tensor of this spec at this batch size. */
export function batchShape(spec: GraphTensorSpec, batchSize: number): number[] {
  return spec.shape.map((size) => (size === 'B' ? batchSize : size));
}

/** Bytes of a tensor of this spec at this batch size. */
export function byteLength(spec: GraphTensorSpec, batchSize: number): number {
  return elementCount(batchShape(spec, batchSize)) * ELEMENT_BYTES[spec.dtype];
}

/** Elements of one row (one item of the batch) of a tensor of this spec. */
export function rowLength(spec: GraphTensorSpec): number {
  return elementCount(batchShape(spec, 1));
}
