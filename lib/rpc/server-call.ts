/**
 * One call that is being served, below messages: bytes in, bytes out, one end.
 *
 * It drives grpc-js' interceptor interface rather than its server streams, which read 16 messages ahead whether
 * or not the implementation wants them, and send a thrown error's `code` and `message` to the client.
 */
import { status as code, Metadata, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { Fault } from '#lib/fault/fault.ts';
import { grpcStatusOf, STATUS_DETAILS_KEY } from '#lib/fault/grpc-status.ts';
import { isCancelMark } from './cancel-mark.ts';
import { createInbox } from './inbox.ts';
import { fromGrpcMetadata } from './metadata.ts';
import type { CallContext } from './service-types.ts';

/**
 * A client's deadline fires a moment before the server's copy of it and resets the stream. A call that is reset
 * this close to its deadline was late, not cancelled.
 */
const DEADLINE_SLACK_MS = 100;

export interface ServerCall {
  readonly context: CallContext;
  /** The next request message, or undefined once the client has sent all. Throws when the call is aborted. */
  read(): Promise<Buffer | undefined>;
  /** Sends a response message. Resolves when there is room for the next, or the call is over. One at a time. */
  send(message: Buffer): Promise<void>;
  /** Ends the call, with OK or with the fault. Does nothing when it is over already. */
  finish(fault?: Fault): void;
  /** Ends the call with the fault and tells the implementation by its signal. */
  abort(fault: Fault): void;
}

export function acceptCall(call: ServerInterceptingCallInterface): ServerCall {
  const controller = new AbortController();
  const { signal } = controller;
  const deadlineMs = epochMs(call.getDeadline());
  const inbox = createInbox(() => call.startRead());
  let metadata: ReadonlyMap<string, string> = new Map();
  let started = false;
  let finished = false;
  let sending: (() => void) | undefined;

  function stop(fault: Fault): void {
    finished = true;
    inbox.abort(fault);
    controller.abort(fault);
    sending?.();
  }

  /** The client is gone, or grpc-js has ended the call by itself at the deadline. */
  function onCancel(): void {
    if (finished) return;
    const late = deadlineMs !== undefined && Date.now() >= deadlineMs - DEADLINE_SLACK_MS;
    stop(
      late
        ? new Fault('late', 'DEADLINE_EXCEEDED', 'the deadline passed')
        : new Fault('cancelled', 'CALLER_CANCELLED', 'the caller cancelled or is gone'),
    );
  }

  call.start({
    onReceiveMetadata(received: Metadata) {
      started = true;
      metadata = fromGrpcMetadata(received);
      call.startRead();
    },
    onReceiveMessage(message: Buffer) {
      if (isCancelMark(message)) onCancel();
      else inbox.deliver(message);
    },
    onReceiveHalfClose: () => inbox.end(),
    onCancel,
  });
  // grpc-js does not answer start() at all when the stream is gone already.
  if (!started) onCancel();

  function sendStatus(fault: Fault | undefined): void {
    if (fault === undefined) {
      call.sendStatus({ code: code.OK, details: 'OK', metadata: null });
      return;
    }
    const status = grpcStatusOf(fault);
    const trailers = new Metadata();
    trailers.set(STATUS_DETAILS_KEY, Buffer.from(status.detailsBin));
    call.sendStatus({ code: status.code, details: status.message, metadata: trailers });
  }

  return {
    context: { signal, deadlineMs, metadata },
    read: () => inbox.take(),
    send(message) {
      if (finished) return Promise.resolve();
      return new Promise((resolve) => {
        sending = () => {
          sending = undefined;
          resolve();
        };
        call.sendMessage(message, sending);
      });
    },
    finish(fault) {
      if (finished) return;
      finished = true;
      inbox.abort(fault ?? new Fault('cancelled', 'CALL_ENDED', 'the call has ended'));
      sendStatus(fault);
    },
    abort(fault) {
      if (finished) return;
      stop(fault);
      sendStatus(fault);
    },
  };
}

function epochMs(deadline: Date | number): number | undefined {
  const ms = Number(deadline);
  return Number.isFinite(ms) ? ms : undefined;
}
