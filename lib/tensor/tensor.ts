/** Dense row-major tensors: what graphs take and give, and what travels between services. */

/** The typed array that holds the values of each element type. */
export interface TensorData {
  readonly float32: Float32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
}

export type TensorDtype = keyof TensorData;

/** A tensor; `data` holds exactly the product of `shape` elements, outermost dimension first, unpadded. */
export type TensorValue<D extends TensorDtype = TensorDtype> = D extends TensorDtype
  ? { readonly dtype: D; readonly shape: readonly number[]; readonly data: TensorData[D] }
  : never;

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<TensorDtype, number>> = { float32: 4, int64: 8, uint8: 1 };

type ArrayConstructors = {
  readonly [D in TensorDtype]: new (
    buffer: ArrayBufferLike,
    byteOffset: number,
    length: number,
  ) => TensorData[D];
};

const ARRAYS: ArrayConstructors = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };

/** Elements in a tensor of this shape; a scalar (empty shape) has one. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** "float32 [2, 4, 32, 32]", for messages. */
export function describeTensor(dtype: string, shape: readonly (number | string)[]): string {
  return `${dtype} [${shape.join(', ')}]`;
}

/**
 * A tensor over `count` elements of `buffer` from `byteOffset` on, without a copy. The offset must be a multiple
 * of the element size, as for any typed array.
 */
export function viewTensor<D extends TensorDtype>(
  dtype: D,
  shape: readonly number[],
  buffer: ArrayBufferLike,
  byteOffset = 0,
): TensorValue<D> {
  const count = elementCount(shape);
  return { dtype, shape, data: new ARRAYS[dtype](buffer, byteOffset, count) } as TensorValue<D>;
}

/** A float32 tensor over `values`, whose length must be the product of `shape`. */
export function float32Tensor(shape: readonly number[], values: Float32Array): TensorValue<'float32'> {
  const expected = elementCount(shape);
  if (values.length !== expected) {
    throw new RangeError(
      `${describeTensor('float32', shape)} needs ${expected} values, not ${values.length}`,
    );
  }
  return { dtype: 'float32', shape, data: values };
}

/**
 * The values of a float32 tensor.
 *
 * @throws TypeError when there is none or it is of another type, which only a wrong name in our own code causes
 */
export function float32Values(tensor: TensorValue | undefined): Float32Array {
  if (tensor?.dtype !== 'float32')
    throw new TypeError(`expected a float32 tensor, not ${tensor?.dtype ?? 'none'}`);
  return tensor.data;
}
