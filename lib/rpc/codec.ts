/** Messages to bytes and back, with the faults that a caller can act on. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Fault, type FaultKind } from '#lib/fault/fault.ts';

/** A wrong request is the caller's to mend, a wrong response is a defect of the service. */
export type Direction = 'request' | 'response';

const KIND: Readonly<Record<Direction, FaultKind>> = { request: 'invalid', response: 'internal' };

/** The message, encoded. The bytes are a view of the encoder's output, not a copy. */
export function encode<D extends DescMessage>(
  schema: D,
  message: MessageInitShape<D>,
  direction: Direction,
  maxMessageBytes: number,
): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  if (bytes.length > maxMessageBytes) throw messageTooLarge(direction, bytes.length, maxMessageBytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The message in the bytes. Its `bytes` fields are views of them, not copies, and plain: the methods of a Buffer
 * mean other things than those of a Uint8Array, `slice` above all.
 */
export function decode<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  direction: Direction,
): MessageShape<D> {
  try {
    return fromBinary(schema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    throw new Fault(
      KIND[direction],
      'MESSAGE_MALFORMED',
      `the ${direction} is not a valid ${schema.typeName}`,
      {
        cause,
      },
    );
  }
}

export function messageTooLarge(
  direction: Direction,
  sizeBytes: number | undefined,
  limitBytes: number,
): Fault {
  const size = sizeBytes === undefined ? '' : ` of ${sizeBytes} bytes`;
  return new Fault(
    KIND[direction],
    'MESSAGE_TOO_LARGE',
    `a ${direction} message${size} exceeds the limit of ${limitBytes} bytes; send smaller messages or raise maxMessageBytes on both sides`,
    {
      metadata: {
        limitBytes: String(limitBytes),
        ...(sizeBytes === undefined ? {} : { sizeBytes: String(sizeBytes) }),
      },
    },
  );
}
