import { describe, expect, it } from 'vitest';
import { endWhenUnread } from './end-when-unread.ts';

function countingStream(): { stream: AsyncIterable<number>; ended: () => boolean } {
  let ended = false;
  async function* count(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      ended = true;
    }
  }
  return { stream: count(), ended: () => ended };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('endWhenUnread', () => {
  it('passes everything on to a reader that reads, however long it lasts', async () => {
    const { stream, ended } = countingStream();
    let last = -1;
    for await (const item of endWhenUnread(stream, 200)) {
      expect(item).toBe(last + 1);
      last = item;
      await sleep(10);
      if (last === 30) break;
    }
    expect(last).toBe(30);
    expect(ended()).toBe(true);
  });

  it('ends the stream of a reader that does not read, and tells it: CLIENT_TOO_SLOW', async () => {
    const { stream, ended } = countingStream();
    const reader = endWhenUnread(stream, 30);
    await reader.next();
    expect(ended()).toBe(false);
    await sleep(100);
    expect(ended()).toBe(true);
    await expect(reader.next()).rejects.toMatchObject({ reason: 'CLIENT_TOO_SLOW' });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it('ends with its stream, and does not count time that the stream takes', async () => {
    async function* slow(): AsyncGenerator<string> {
      await sleep(60);
      yield 'late';
    }
    const items: string[] = [];
    for await (const item of endWhenUnread(slow(), 20)) items.push(item);
    expect(items).toEqual(['late']);
  });
});
