/** Two streams side by side. */
import { release } from './release.ts';

/**
 * Pairs of the items at the same position of two streams. Both are pulled at the same time, one item each for
 * one pair, so the faster waits for the slower. Ends with the shorter stream; the other's `return` is called
 * then, and both are when the consumer stops or either fails.
 */
export async function* zip<A, B>(
  first: AsyncIterable<A>,
  second: AsyncIterable<B>,
): AsyncGenerator<[A, B], void, undefined> {
  const a = first[Symbol.asyncIterator]();
  const b = second[Symbol.asyncIterator]();
  let aOpen = true;
  let bOpen = true;
  try {
    for (;;) {
      const fromA = a.next().then(
        (result) => {
          if (result.done) aOpen = false;
          return result;
        },
        (error: unknown) => {
          aOpen = false;
          throw error;
        },
      );
      const fromB = b.next().then(
        (result) => {
          if (result.done) bOpen = false;
          return result;
        },
        (error: unknown) => {
          bOpen = false;
          throw error;
        },
      );
      const [resultA, resultB] = await Promise.all([fromA, fromB]);
      if (resultA.done || resultB.done) return;
      yield [resultA.value, resultB.value];
    }
  } finally {
    if (aOpen) void release(a, 'the end of a zipped stream');
    if (bOpen) void release(b, 'the end of a zipped stream');
  }
}
