/** Moving what an iterator yields to where it is sent, no faster than it is taken there. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Fault } from '#lib/fault/fault.ts';
import { toFault } from '#lib/fault/fault.ts';
import { raceAbort } from './abortable.ts';
import { release } from './release.ts';

export interface Outlet<T> {
  /** Sends one item; resolves when there is room for the next. Throws for an item that cannot be sent. */
  send(item: T): Promise<void>;
  /** Aborts when nothing more can be sent. */
  readonly over: AbortSignal;
}

export interface Pumped {
  /** Why not everything was sent: the failure of the iterator or of an item. Undefined when `over` aborted. */
  readonly fault: Fault | undefined;
  /** Resolves when the iterator has ended, clean-up included. Never rejects. */
  readonly settled: Promise<void>;
}

/**
 * Items sent before the event loop gets a turn. A source and a transport that both answer without waiting for
 * input or output would otherwise keep every timer and socket of the process waiting.
 */
const ITEMS_PER_TURN = 32;

/**
 * Sends each item of `iterator`, producing the next while the last is being sent: at most two are held. Resolves
 * when all is sent, something failed or the outlet is over. Unless the iterator ended by itself, its `return`
 * is called.
 *
 * @param pull one step of the iterator; lets the caller run it in a context.
 */
export async function pump<T>(
  iterator: AsyncIterator<T>,
  outlet: Outlet<T>,
  pull: () => Promise<IteratorResult<T>> = () => iterator.next(),
): Promise<Pumped> {
  let ended = false;
  let sent = Promise.resolve();

  async function step(): Promise<IteratorResult<T>> {
    try {
      const result = await pull();
      ended = result.done === true;
      return result;
    } catch (error) {
      ended = true;
      throw error;
    }
  }

  function stop(fault: Fault | undefined): Pumped {
    return { fault, settled: ended ? Promise.resolve() : release(iterator, 'the end of a stream') };
  }

  try {
    for (let count = 1; ; count++) {
      const result = await raceAbort(step(), outlet.over);
      await sent;
      if (result.done || outlet.over.aborted) return stop(undefined);
      sent = outlet.send(result.value);
      if (count % ITEMS_PER_TURN === 0) await nextTurn();
    }
  } catch (error) {
    return stop(outlet.over.aborted ? undefined : toFault(error));
  }
}
