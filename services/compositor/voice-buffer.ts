/**
 * Live speech between its arrival and its use. The audio service takes it chunk by chunk; what it has taken is
 * heard in the output, what it has not can still be dropped (barge-in).
 */

export interface VoiceBuffer extends AsyncIterable<Uint8Array> {
  /** Adds speech; waits while the buffer is full. False when the reader has stopped. */
  push(chunk: Uint8Array): Promise<boolean>;
  /** Drops what has not been taken and returns its length in bytes. */
  clear(): number;
  /** No more speech; what waits is still delivered. */
  close(): void;
  /** Removes and returns `byteCount` bytes of the speech that was taken, padded with silence at the end. */
  takeHeard(byteCount: number): Uint8Array;
}

/** @param capacityBytes speech held before `push` waits; a single larger chunk is still accepted whole. */
export function createVoiceBuffer(capacityBytes: number): VoiceBuffer {
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const heard: Uint8Array[] = [];
  let closed = false;
  let changed = Promise.withResolvers<void>();
  const notify = (): void => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };

  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = waiting.shift();
        if (chunk !== undefined) {
          waitingBytes -= chunk.byteLength;
          heard.push(chunk);
          notify();
          yield chunk;
        } else if (closed) {
          return;
        } else {
          await changed.promise;
        }
      }
    } finally {
      closed = true;
      notify();
    }
  }
  const reader = read();

  return {
    async push(chunk) {
      while (!closed && waitingBytes > 0 && waitingBytes + chunk.byteLength > capacityBytes)
        await changed.promise;
      if (closed) return false;
      waiting.push(chunk);
      waitingBytes += chunk.byteLength;
      notify();
      return true;
    },
    clear() {
      const dropped = waitingBytes;
      waiting.length = 0;
      waitingBytes = 0;
      notify();
      return dropped;
    },
    close() {
      closed = true;
      notify();
    },
    takeHeard(byteCount) {
      const taken = new Uint8Array(byteCount);
      let filled = 0;
      while (filled < byteCount && heard.length > 0) {
        const chunk = heard[0]!;
        const part = chunk.subarray(0, byteCount - filled);
        taken.set(part, filled);
        filled += part.byteLength;
        if (part.byteLength === chunk.byteLength) heard.shift();
        else heard[0] = chunk.subarray(part.byteLength);
      }
      return taken;
    },
    [Symbol.asyncIterator]: () => reader,
  };
}
