/**
 * One call of a remote method, below messages: bytes out, bytes in, one end.
 *
 * It drives grpc-js' channel directly rather than its client streams, which read 16 messages ahead whether or
 * not anybody wants them and report failure as an 'error' event.
 */
import type { Channel } from '@grpc/grpc-js';
import { status as code } from '@grpc/grpc-js';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { CANCEL_MARK, isWritten } from './cancel-mark.ts';
import { createInbox } from './inbox.ts';
import { toGrpcMetadata } from './metadata.ts';
import { faultOfStatus } from './transport-fault.ts';

/** Only says that there is nothing more to send. Made once, since an abort without a reason makes an error. */
const CALL_ENDED = new Fault('cancelled', 'CALL_ENDED', 'the call has ended');

export interface ClientCall {
  /** The next response message, or undefined at the end. Throws the fault that the call ended with. */
  read(): Promise<Buffer | undefined>;
  /**
   * Sends a request message. Resolves when the transport has room for the next, or the call is over. One at a
   * time.
   */
  send(message: Buffer): Promise<void>;
  halfClose(): void;
  /** Ends the call with this fault on our side; the server sees it cancelled. */
  cancel(fault: Fault): void;
  /** Aborts once the call is over, in whatever way. */
  readonly over: AbortSignal;
}

export interface ClientCallConfig {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** Epoch milliseconds. */
  readonly deadlineMs: number | undefined;
  readonly waitForReady: boolean;
  readonly maxMessageBytes: number;
}

export function openCall(channel: Channel, config: ClientCallConfig): ClientCall {
  const over = new AbortController();
  const call = createCall(channel, config);
  const inbox = createInbox(() => call.startRead());
  let transmitting: Promise<void> = Promise.resolve();
  let releaseSender: (() => void) | undefined;
  let halfClosed = false;

  function end(fault: Fault | undefined): void {
    inbox.end(fault);
    releaseSender?.();
    over.abort(CALL_ENDED);
  }

  function transmit(message: Buffer): Promise<void> {
    transmitting = new Promise((resolve) => {
      call.sendMessageWithContext({ callback: () => resolve() }, message);
    });
    return transmitting;
  }

  /** Says in the request stream that it is cancelled, then resets it. */
  async function markAndReset(): Promise<void> {
    if (await isWritten(transmitting)) await isWritten(transmit(CANCEL_MARK));
    reset();
  }

  function reset(): void {
    call.cancelWithStatus(code.CANCELLED, 'cancelled by the caller');
  }

  call.start(toGrpcMetadata(config.metadata, config.waitForReady), {
    onReceiveMetadata: () => undefined,
    onReceiveMessage: (message: Buffer | null) => {
      if (message !== null) inbox.deliver(message);
    },
    onReceiveStatus: (status) => {
      if (over.signal.aborted) return;
      end(status.code === code.OK ? undefined : faultOfStatus(status, config.maxMessageBytes));
    },
  });
  call.startRead();

  return {
    read: () => inbox.take(),
    send(message) {
      if (over.signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        releaseSender = resolve;
        void transmit(message).then(resolve);
      });
    },
    halfClose() {
      if (over.signal.aborted) return;
      halfClosed = true;
      call.halfClose();
    },
    cancel(fault) {
      if (over.signal.aborted) return;
      inbox.abort(fault);
      end(fault);
      if (halfClosed) reset();
      else void markAndReset();
    },
    over: over.signal,
  };
}

function createCall(channel: Channel, config: ClientCallConfig): ReturnType<Channel['createCall']> {
  try {
    return channel.createCall(config.path, config.deadlineMs ?? Number.POSITIVE_INFINITY, null, null, null);
  } catch (cause) {
    // The only thing that grpc-js throws here is that the channel was closed.
    throw new Fault('cancelled', 'CLIENT_CLOSED', 'this client is closed', { cause: toFault(cause).cause });
  }
}
