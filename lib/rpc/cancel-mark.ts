/**
 * Cancelling in the middle of a request stream.
 *
 * The HTTP/2 clients of Node and Bun cancel a stream that is open for sending by ending it and resetting it right
 * after (`Http2Stream.close`; measured 0.5 ms apart on a loopback, more on a busy machine). A server sees a
 * complete request stream first. So a talkmesh client sends this mark before it cancels, and a talkmesh server
 * takes the mark for what it is. It is no message: field number 0 is illegal in protobuf, so no encoder makes it,
 * and a server of another make refuses it.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

export const CANCEL_MARK = Buffer.from([0]);

export function isCancelMark(message: Buffer): boolean {
  return message.length === 1 && message[0] === CANCEL_MARK[0];
}

/**
 * Whether a message is written soon. False means that the stream waits for the server to read, and then a reset
 * is safe without the mark: the end of the stream has to wait behind the message, and the reset does not. The
 * turns of the event loop after the pause let a process that was busy during it learn that its writes are done.
 */
export async function isWritten(message: Promise<void>): Promise<boolean> {
  const pause = new AbortController();
  const written = message.then(() => true);
  const stuck = delay(PATIENCE_MS, undefined, { signal: pause.signal }).then(
    async () => {
      for (let turn = 0; turn < PATIENCE_TURNS; turn++) await nextTurn();
      return false;
    },
    () => true,
  );
  try {
    return await Promise.race([written, stuck]);
  } finally {
    pause.abort();
  }
}

const PATIENCE_MS = 50;
const PATIENCE_TURNS = 4;
