/** The request stream of a call within a process. */
import { abortFault, Fault, toFault } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import { release } from '#lib/flow/release.ts';
import type { Message, MessageInit } from './binding.ts';
import type { LocalCall } from './local-call.ts';

export interface LocalRequests extends AsyncIterableIterator<Message> {
  /** The call is over: the caller's iterable is told to stop unless it has ended. */
  stop(): void;
  /** The error of the caller's own iterable, which is what the caller gets for the call. */
  readonly fault: Fault | undefined;
}

/**
 * What the implementation reads. When the caller's iterable fails, the implementation sees the call cancelled,
 * as it would across a wire.
 */
export function localRequests(
  call: LocalCall,
  requests: AsyncIterable<MessageInit>,
  pass: (request: MessageInit) => Message,
): LocalRequests {
  const { signal } = call.context;
  const iterator = requests[Symbol.asyncIterator]();
  let ended = false;
  let fault: Fault | undefined;

  return {
    async next() {
      if (ended) return { done: true, value: undefined };
      try {
        const result = await raceAbort(iterator.next(), signal);
        if (!result.done) return { done: false, value: pass(result.value) };
        ended = true;
        return { done: true, value: undefined };
      } catch (error) {
        if (!signal.aborted) {
          fault = toFault(error);
          call.abort(new Fault('cancelled', 'CALLER_CANCELLED', 'the caller failed', { cause: error }));
        }
        throw abortFault(signal);
      }
    },
    stop() {
      if (ended) return;
      ended = true;
      void release(iterator, 'the end of a request stream');
    },
    get fault() {
      return fault;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
