/** Tensors to and from `talkmesh.media.v1.Tensor`: little-endian bytes, row-major, checked before use. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { DataType, type Tensor, type TensorSchema } from '#gen/talkmesh/media/v1/media_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import {
  describeTensor,
  ELEMENT_BYTES,
  elementCount,
  type TensorDtype,
  type TensorValue,
  viewTensor,
} from './tensor.ts';

const DATA_TYPES: Readonly<Record<TensorDtype, DataType>> = {
  float32: DataType.FLOAT32,
  uint8: DataType.UINT8,
  int64: DataType.INT64,
};

const DTYPES = new Map(Object.entries(DATA_TYPES).map(([dtype, type]) => [type, dtype as TensorDtype]));

if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error('talkmesh runs on little-endian machines only: tensors are little-endian on the wire');
}

/**
 * The tensor in a message of exactly the expected type and shape. A view on the message's bytes where they are
 * aligned, else a copy, so the message must not be changed afterwards.
 *
 * @param message what the caller sent, or undefined when the field was not set
 * @param field dotted path of the field, for the fault
 * @throws Fault invalid: TENSOR_MISSING, TENSOR_DTYPE_MISMATCH, TENSOR_SHAPE_MISMATCH, TENSOR_LENGTH_MISMATCH
 */
export function tensorFromProto<D extends TensorDtype>(
  message: Tensor | undefined,
  field: string,
  expected: { readonly dtype: D; readonly shape: readonly number[] },
): TensorValue<D> {
  const wanted = describeTensor(expected.dtype, expected.shape);
  if (message === undefined) throw invalidField('TENSOR_MISSING', field, `is required: ${wanted}`);
  const dtype = DTYPES.get(message.dataType);
  if (dtype !== expected.dtype) {
    const got = dtype ?? `data type ${message.dataType}`;
    throw invalidField('TENSOR_DTYPE_MISMATCH', field, `is ${got}; send ${wanted}`);
  }
  const { shape } = message;
  if (
    shape.length !== expected.shape.length ||
    shape.some((size, axis) => size !== BigInt(expected.shape[axis]!))
  ) {
    throw invalidField('TENSOR_SHAPE_MISMATCH', field, `has the shape [${shape.join(', ')}]; send ${wanted}`);
  }
  const elementBytes = ELEMENT_BYTES[expected.dtype];
  const byteLength = elementCount(expected.shape) * elementBytes;
  const { data } = message;
  if (data.byteLength !== byteLength) {
    const description = `holds ${data.byteLength} bytes; ${wanted} takes ${byteLength}`;
    throw invalidField('TENSOR_LENGTH_MISMATCH', field, description);
  }
  // Not `slice`: on a Buffer that is a view.
  const aligned = data.byteOffset % elementBytes === 0 ? data : new Uint8Array(data);
  return viewTensor(expected.dtype, expected.shape, aligned.buffer, aligned.byteOffset);
}

/** The message of a tensor; its bytes are a view on the tensor's, not a copy. */
export function tensorToProto(tensor: TensorValue): MessageInitShape<typeof TensorSchema> {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return {
    dataType: DATA_TYPES[tensor.dtype],
    shape: tensor.shape.map(BigInt),
    data: new Uint8Array(buffer, byteOffset, byteLength),
  };
}
