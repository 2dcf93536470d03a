/** Telling an iterator that nobody will pull from it again. */
import { reportStray } from './stray.ts';

/**
 * Calls the iterator's `return`, so that its `finally` blocks run. A generator in the middle of a step only
 * sees it when that step ends; the promise resolves after that, never rejects, and need not be awaited. An
 * error of the clean-up is reported as stray.
 *
 * @param during what was going on, for the warning about such an error.
 */
export async function release(iterator: AsyncIterator<unknown>, during: string): Promise<void> {
  try {
    await iterator.return?.();
  } catch (error) {
    reportStray(error, during);
  }
}
