/** A bounded queue between one side that pushes and one that iterates. */

export interface Channel<T> extends AsyncIterable<T> {
  /**
   * Adds an item, waiting while the queue is full. Resolves to false, and drops the item, once the consumer has
   * stopped or the channel is closed or failed: nobody will read it.
   */
  push(item: T): Promise<boolean>;
  /** No more items. What is queued is still delivered, then the iteration ends. */
  close(): void;
  /** No more items, because of an error: it is thrown to the consumer after what is queued. */
  fail(error: unknown): void;
  /** Items that wait to be read. */
  readonly size: number;
}

type State = { readonly is: 'open' } | { readonly is: 'closed' } | { readonly is: 'failed'; error: unknown };

/**
 * For any number of producers and one consumer.
 *
 * @param capacity items held before `push` waits, an integer of at least 1.
 */
export function channel<T>(capacity: number): Channel<T> {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`channel capacity is ${capacity}; it must be an integer of at least 1`);
  }
  const queue: T[] = [];
  const pushers: { readonly item: T; readonly done: (accepted: boolean) => void }[] = [];
  const readers: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  let state: State = { is: 'open' };

  function settle(): void {
    for (;;) {
      while (queue.length < capacity && pushers.length > 0) {
        const pusher = pushers.shift()!;
        queue.push(pusher.item);
        pusher.done(true);
      }
      const reader = readers[0];
      if (reader === undefined) return;
      if (queue.length > 0) {
        readers.shift();
        reader.resolve({ done: false, value: queue.shift() as T });
        continue;
      }
      if (state.is === 'open') return;
      readers.shift();
      if (state.is === 'failed') {
        const { error } = state;
        state = { is: 'closed' };
        reader.reject(error);
      } else {
        reader.resolve({ done: true, value: undefined });
      }
    }
  }

  function end(next: State): void {
    if (state.is !== 'open') return;
    state = next;
    for (const pusher of pushers.splice(0)) pusher.done(false);
    settle();
  }

  const iterator: AsyncIterator<T> = {
    next: () =>
      new Promise((resolve, reject) => {
        readers.push({ resolve, reject });
        settle();
      }),
    return() {
      queue.length = 0;
      end({ is: 'closed' });
      return Promise.resolve({ done: true, value: undefined });
    },
  };

  return {
    push(item) {
      if (state.is !== 'open') return Promise.resolve(false);
      return new Promise((done) => {
        pushers.push({ item, done });
        settle();
      });
    },
    close: () => end({ is: 'closed' }),
    fail: (error) => end({ is: 'failed', error }),
    get size() {
      return queue.length;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
}
