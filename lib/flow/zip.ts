/** Two streams side by side. */
import { release } from './release.ts';

/**
 * Pairs of the items at the same position of two streams. Both are pulled at the same time, one item each for
 * one pair, so the faster waits for the slower. Ends with the shorter stream, and fails with the first that
 * fails; the other's `return` is called then, and both are when the consumer stops.
 */
export async function* zip<A, B>(
  first: AsyncIterable<A>,
  second: AsyncIterable<B>,
): AsyncGenerator<[A, B], void, undefined> {
  const a = first[Symbol.asyncIterator]();
  const b = second[Symbol.asyncIterator]();
  try {
    for (;;) {
      const [fromA, fromB] = await Promise.all([a.next(), b.next()]);
      if (fromA.done || fromB.done) return;
      yield [fromA.value, fromB.value];
    }
  } finally {
    // To an iterator that has ended by itself, `return` means nothing.
    void release(a, 'the end of a zipped stream');
    void release(b, 'the end of a zipped stream');
  }
}
