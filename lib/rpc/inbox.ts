/** The receiving end of one stream of messages, read on demand. */
import type { Fault } from '#lib/fault/fault.ts';

export interface Inbox {
  /** The next message, or undefined at the end. Throws the fault that ended the stream. */
  take(): Promise<Buffer | undefined>;
  deliver(message: Buffer): void;
  /** No more messages. One that was delivered before can still be taken, then the fault is thrown. */
  end(fault?: Fault): void;
  /** No more messages, and none that waits is of interest any more. */
  abort(fault: Fault): void;
}

/**
 * Holds one message while nobody takes it and asks for the next only when that one is taken, so that the
 * transport's flow control reaches the sender. gRPC's own stream objects read 16 messages ahead.
 *
 * @param requestMore asks the transport for one more message; called once at the start.
 */
export function createInbox(requestMore: () => void): Inbox {
  const readers: PromiseWithResolvers<Buffer | undefined>[] = [];
  let held: Buffer | undefined;
  let ended = false;
  let fault: Fault | undefined;

  function finish(reader: PromiseWithResolvers<Buffer | undefined>): void {
    if (fault === undefined) reader.resolve(undefined);
    else reader.reject(fault);
  }

  return {
    take() {
      const reader = Promise.withResolvers<Buffer | undefined>();
      if (held !== undefined) {
        reader.resolve(held);
        held = undefined;
        if (!ended) requestMore();
      } else if (ended) {
        finish(reader);
      } else {
        readers.push(reader);
      }
      return reader.promise;
    },
    deliver(message) {
      if (ended) return;
      const reader = readers.shift();
      if (reader === undefined) {
        held = message;
      } else {
        reader.resolve(message);
        requestMore();
      }
    },
    end(withFault) {
      if (ended) return;
      ended = true;
      fault = withFault;
      for (const reader of readers.splice(0)) finish(reader);
    },
    abort(withFault) {
      held = undefined;
      if (ended && fault !== undefined) return;
      ended = true;
      fault = withFault;
      for (const reader of readers.splice(0)) finish(reader);
    },
  };
}
