/** Streams whose production a test can watch. */
import { setTimeout as delay } from 'node:timers/promises';

/** Counts what a stream has produced, and whether it was told to stop. */
export function counted(count: number, options: { failAt?: number; stepMs?: number } = {}) {
  const state = { produced: 0, returned: 0 };
  async function* generate(): AsyncGenerator<number> {
    try {
      for (let index = 0; index < count; index++) {
        if (index === options.failAt) throw new Error(`item ${index}`);
        if (options.stepMs !== undefined) await delay(options.stepMs);
        state.produced++;
        yield index;
      }
    } finally {
      state.returned++;
    }
  }
  return { state, stream: generate() };
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Time enough for whatever needs no input or output. */
export const turn = (): Promise<void> => delay(20);
