/** HTTP range requests (RFC 9110, section 14) of one range; several at once are answered with the whole. */
import { Fault } from '#lib/fault/fault.ts';

export interface ByteSpan {
  readonly offset: number;
  readonly length: number;
}

/**
 * The span that a Range header asks for; undefined for the whole.
 *
 * @throws Fault range RANGE_UNSATISFIABLE when it begins after the end
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteSpan | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    if (length === 0) throw unsatisfiable(header!, sizeBytes);
    return { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  // A last position before the first makes the header invalid, and an invalid one is ignored.
  if (last !== '' && Number(last) < offset) return undefined;
  if (offset >= sizeBytes) throw unsatisfiable(header!, sizeBytes);
  return { offset, length: end - offset + 1 };
}

function unsatisfiable(header: string, sizeBytes: number): Fault {
  return new Fault(
    'range',
    'RANGE_UNSATISFIABLE',
    `Range: "${header}" begins after the end, ${sizeBytes} bytes`,
    {
      metadata: { sizeBytes: String(sizeBytes) },
    },
  );
}
