/** The response stream that a caller holds. */

export interface StreamSource<T> {
  next(): Promise<IteratorResult<T>>;
  /** The caller has stopped before the end. */
  stop(): Promise<void>;
}

/**
 * An async iterable for one consumer. `open` is called by the first `next()`, so a stream that nobody reads
 * costs nothing. Leaving a `for await` loop, or calling `return()`, stops the source at once, even while a
 * `next()` is waiting, which then resolves as done.
 */
export function lazyStream<T>(open: () => StreamSource<T>): AsyncIterableIterator<T> {
  let source: StreamSource<T> | undefined;
  let over = false;
  const done = { done: true, value: undefined } as const;
  return {
    async next() {
      if (over) return done;
      try {
        source ??= open();
        const result = await source.next();
        if (result.done) over = true;
        return over ? done : result;
      } catch (error) {
        if (over) return done;
        over = true;
        throw error;
      }
    },
    async return() {
      const running = over ? undefined : source;
      over = true;
      await running?.stop();
      return done;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
