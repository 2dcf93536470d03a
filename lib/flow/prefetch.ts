/** Pulling ahead of a consumer, by a bounded number of items. */
import { release } from './release.ts';

/**
 * The items of `source` in order, pulled up to `count` items ahead of the consumer, so that producing and
 * consuming overlap. Pulling starts with the consumer's first `next()` and pauses while `count` items wait.
 * An error of the source is thrown after the items that came before it; when the consumer stops, the source's
 * `return` is called at once and what waits is dropped.
 *
 * For one consumer. Holds at most `count` items and one that is being produced.
 *
 * @param count items to hold, an integer of at least 1.
 */
export function prefetch<T>(source: AsyncIterable<T>, count: number): AsyncIterableIterator<T> {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`prefetch count is ${count}; it must be an integer of at least 1`);
  }
  const waiting: T[] = [];
  let iterator: AsyncIterator<T> | undefined;
  let pulling = false;
  let end: { readonly error?: unknown; readonly failed: boolean } | undefined;
  let wake: (() => void) | undefined;

  async function pull(from: AsyncIterator<T>): Promise<void> {
    pulling = true;
    try {
      while (end === undefined && waiting.length < count) {
        const result = await from.next();
        if (end !== undefined) break;
        if (result.done) end = { failed: false };
        else waiting.push(result.value);
        wake?.();
      }
    } catch (error) {
      end ??= { error, failed: true };
      wake?.();
    } finally {
      pulling = false;
    }
  }

  function start(): void {
    if (pulling || end !== undefined) return;
    iterator ??= source[Symbol.asyncIterator]();
    void pull(iterator);
  }

  async function take(): Promise<IteratorResult<T>> {
    while (waiting.length === 0 && end === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (waiting.length > 0) {
      const value = waiting.shift() as T;
      start();
      return { done: false, value };
    }
    const ended = end;
    end = { failed: false };
    if (ended?.failed) throw ended.error;
    return { done: true, value: undefined };
  }

  let previous: Promise<unknown> = Promise.resolve();
  return {
    next(): Promise<IteratorResult<T>> {
      start();
      const result = previous.then(take);
      previous = result.catch(() => undefined);
      return result;
    },
    return(): Promise<IteratorResult<T>> {
      const running = end === undefined;
      end ??= { failed: false };
      waiting.length = 0;
      wake?.();
      if (running && iterator !== undefined) void release(iterator, 'the stop of a prefetched stream');
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator](): AsyncIterableIterator<T> {
      return this;
    },
  };
}
