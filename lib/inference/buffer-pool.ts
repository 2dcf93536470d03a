/** Memory that is used again instead of being allocated and zeroed for every run. */
export interface BufferPool {
  /** A buffer of exactly this size; its content is whatever was there before. */
  take(byteLength: number): ArrayBuffer;
  /** Hands a buffer over; it is dropped when the pool holds enough already. */
  give(buffer: ArrayBuffer): void;
}

/** @param maxRetainedBytes what the pool keeps at most; buffers in use do not count */
export function createBufferPool(maxRetainedBytes: number): BufferPool {
  const free = new Map<number, ArrayBuffer[]>();
  let retainedBytes = 0;
  return {
    take(byteLength) {
      const buffer = free.get(byteLength)?.pop();
      if (buffer === undefined) return new ArrayBuffer(byteLength);
      retainedBytes -= byteLength;
      return buffer;
    },
    give(buffer) {
      const { byteLength } = buffer;
      if (byteLength === 0 || retainedBytes + byteLength > maxRetainedBytes) return;
      retainedBytes += byteLength;
      const list = free.get(byteLength);
      if (list === undefined) free.set(byteLength, [buffer]);
      else list.push(buffer);
    },
  };
}
