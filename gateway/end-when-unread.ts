/** Readers that stop reading. */
import { Fault } from '#lib/fault/fault.ts';
import { release } from '#lib/flow/release.ts';

/**
 * The stream, which is ended, clean-up included, once its reader takes nothing for `timeoutMs`: what it holds is
 * free for others then, although the reader is still there.
 *
 * @throws Fault late CLIENT_TOO_SLOW to the reader, when it reads again
 */
export async function* endWhenUnread<T>(stream: AsyncIterable<T>, timeoutMs: number): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  let unread = false;
  try {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      const timer = setTimeout(() => {
        unread = true;
        void release(iterator, 'the end of an unread stream');
      }, timeoutMs);
      try {
        yield next.value;
      } finally {
        clearTimeout(timer);
      }
      if (unread) throw tooSlow(timeoutMs);
    }
  } finally {
    await iterator.return?.();
  }
}

export function tooSlow(timeoutMs: number): Fault {
  return new Fault(
    'late',
    'CLIENT_TOO_SLOW',
    `the caller read nothing for ${timeoutMs} ms; read faster or reconnect`,
  );
}
