/** Waiting that an AbortSignal can end. */
import { abortFault } from '#lib/fault/fault.ts';

/**
 * The promise's result, or the signal's fault as soon as it aborts. What the promise does after that is
 * ignored: whoever works for an aborted call has nobody left to report to.
 *
 * Unlike `Promise.race` against one long-lived promise, nothing is left behind when the promise settles first.
 */
export function raceAbort<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortFault(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}

/** Resolves after `delayMs`, or rejects with the signal's fault as soon as it aborts. */
export async function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, delayMs);
  });
  try {
    await (signal === undefined ? elapsed : raceAbort(elapsed, signal));
  } finally {
    clearTimeout(timer);
  }
}
