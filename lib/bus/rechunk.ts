/** Bytes in pieces of one size. */
import { raceAbort } from '#lib/flow/abortable.ts';
import { release } from '#lib/flow/release.ts';

/**
 * The same bytes in pieces of exactly `chunkBytes`, the last one shorter; each piece is a buffer of its own. Holds
 * one piece. Aborting ends it even while the source gives nothing.
 */
export async function* rechunk(
  source: AsyncIterable<Uint8Array>,
  chunkBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let buffer = Buffer.allocUnsafe(chunkBytes);
  let filled = 0;
  let exhausted = false;
  try {
    for (;;) {
      const next = iterator.next();
      const result = await (signal === undefined ? next : raceAbort(next, signal));
      if (result.done) break;
      const piece = result.value;
      for (let taken = 0; taken < piece.length; ) {
        const part = piece.subarray(taken, taken + chunkBytes - filled);
        buffer.set(part, filled);
        filled += part.length;
        taken += part.length;
        if (filled < chunkBytes) continue;
        yield buffer;
        buffer = Buffer.allocUnsafe(chunkBytes);
        filled = 0;
      }
    }
    exhausted = true;
    if (filled > 0) yield buffer.subarray(0, filled);
  } finally {
    if (!exhausted) void release(iterator, 'ending an upload');
  }
}
