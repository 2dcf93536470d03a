import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataType, TensorSchema } from '#gen/talkmesh/media/v1/media_pb.ts';
import { isFault } from '#lib/fault/fault.ts';
import { tensorFromProto, tensorToProto } from './proto.ts';
import { float32Tensor, type TensorDtype, type TensorValue } from './tensor.ts';

const values: Record<TensorDtype, (bytes: Uint8Array) => TensorValue> = {
  float32: (bytes) => ({
    dtype: 'float32',
    shape: [bytes.length / 8, 2],
    data: new Float32Array(bytes.slice().buffer),
  }),
  int64: (bytes) => ({
    dtype: 'int64',
    shape: [bytes.length / 8],
    data: new BigInt64Array(bytes.slice().buffer),
  }),
  uint8: (bytes) => ({ dtype: 'uint8', shape: [bytes.length], data: bytes }),
};

function bytesOf({ data }: TensorValue): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function reasonOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isFault(error)) return `${error.kind} ${error.reason} ${error.message}`;
    throw error;
  }
  return 'no fault';
}

describe('tensorFromProto()', () => {
  it('gives back what tensorToProto() made, through the wire, whatever the alignment', () => {
    const dtypes = fc.constantFrom<TensorDtype>('float32', 'int64', 'uint8');
    const contents = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((seed) => {
      const bytes = new Uint8Array(seed.length * 8);
      for (const [at, value] of seed.entries()) bytes.fill(value, at * 8, at * 8 + 8);
      return bytes;
    });
    fc.assert(
      fc.property(dtypes, contents, fc.nat(8), (dtype, bytes, shift) => {
        const tensor = values[dtype](bytes);
        const wire = toBinary(TensorSchema, create(TensorSchema, tensorToProto(tensor)));
        const shifted = new Uint8Array(wire.length + shift);
        shifted.set(wire, shift);
        const message = fromBinary(TensorSchema, shifted.subarray(shift));
        const back = tensorFromProto(message, 'tensor', tensor);
        expect(back.shape).toEqual(tensor.shape);
        expect(bytesOf(back)).toEqual(bytesOf(tensor));
      }),
    );
  });

  it('is little-endian and row-major', () => {
    const message = create(TensorSchema, tensorToProto(float32Tensor([1, 2], Float32Array.of(1, -2))));
    expect([...message.data]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    expect(message.shape).toEqual([1n, 2n]);
    expect(message.dataType).toBe(DataType.FLOAT32);
  });

  it('refuses what is not the expected tensor, and says what to send', () => {
    const expected = { dtype: 'float32', shape: [2, 3] } as const;
    const message = (shape: bigint[], byteLength: number, dataType: DataType = DataType.FLOAT32) =>
      create(TensorSchema, { dataType, shape, data: new Uint8Array(byteLength) });
    const read = (sent: ReturnType<typeof message> | undefined) =>
      reasonOf(() => tensorFromProto(sent, 'frame.window', expected));
    expect(read(undefined)).toBe('invalid TENSOR_MISSING frame.window: is required: float32 [2, 3]');
    expect(read(message([2n, 3n], 24, DataType.INT64))).toMatch(
      /TENSOR_DTYPE_MISMATCH .* is int64; send float32/,
    );
    expect(read(message([2n, 3n], 24, 77 as DataType))).toMatch(/TENSOR_DTYPE_MISMATCH .* is data type 77/);
    expect(read(message([3n, 2n], 24))).toMatch(/TENSOR_SHAPE_MISMATCH .* has the shape \[3, 2\]/);
    expect(read(message([6n], 24))).toMatch(/TENSOR_SHAPE_MISMATCH/);
    expect(read(message([2n, 3n + 2n ** 62n], 24))).toMatch(/TENSOR_SHAPE_MISMATCH/);
    expect(read(message([2n, 3n], 23))).toMatch(/TENSOR_LENGTH_MISMATCH .* holds 23 bytes; .* takes 24/);
  });
});

describe('float32Tensor()', () => {
  it('refuses values that do not fill the shape', () => {
    expect(() => float32Tensor([2, 2], new Float32Array(3))).toThrow('float32 [2, 2] needs 4 values, not 3');
  });
});
