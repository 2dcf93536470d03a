import { describe, expect, it } from 'vitest';
import { createVoiceBuffer } from './voice-buffer.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

async function take(buffer: AsyncIterable<Uint8Array>, count: number): Promise<number[][]> {
  const iterator = buffer[Symbol.asyncIterator]();
  const taken: number[][] = [];
  for (let i = 0; i < count; i++) taken.push([...(await iterator.next()).value]);
  return taken;
}

describe('createVoiceBuffer', () => {
  it('delivers chunks in order and ends when closed', async () => {
    const buffer = createVoiceBuffer(100);
    await buffer.push(bytes(1, 2));
    await buffer.push(bytes(3));
    buffer.close();
    const read: number[][] = [];
    for await (const chunk of buffer) read.push([...chunk]);
    expect(read).toEqual([[1, 2], [3]]);
  });

  it('makes the writer wait while it is full', async () => {
    const buffer = createVoiceBuffer(4);
    await buffer.push(bytes(1, 2, 3));
    let pushed = false;
    const second = buffer.push(bytes(4, 5)).then((accepted) => {
      pushed = accepted;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pushed).toBe(false);
    await take(buffer, 1);
    await second;
    expect(pushed).toBe(true);
  });

  it('drops on clear only what was not taken', async () => {
    const buffer = createVoiceBuffer(100);
    await buffer.push(bytes(1, 2));
    await buffer.push(bytes(3, 4));
    await take(buffer, 1);
    expect(buffer.clear()).toBe(2);
    await buffer.push(bytes(5, 6));
    expect(await take(buffer, 1)).toEqual([[5, 6]]);
    expect([...buffer.takeHeard(4)]).toEqual([1, 2, 5, 6]);
  });

  it('hands out what was heard in pieces of any size, and silence at the end', async () => {
    const buffer = createVoiceBuffer(100);
    await buffer.push(bytes(1, 2, 3));
    await buffer.push(bytes(4, 5));
    await take(buffer, 2);
    expect([...buffer.takeHeard(2)]).toEqual([1, 2]);
    expect([...buffer.takeHeard(2)]).toEqual([3, 4]);
    expect([...buffer.takeHeard(3)]).toEqual([5, 0, 0]);
  });

  it('tells the writer when the reader has stopped', async () => {
    const buffer = createVoiceBuffer(2);
    await buffer.push(bytes(1, 2));
    await take(buffer, 1);
    await buffer.push(bytes(3, 4));
    const blocked = buffer.push(bytes(5));
    await buffer[Symbol.asyncIterator]().return?.();
    expect(await blocked).toBe(false);
    expect(await buffer.push(bytes(6))).toBe(false);
  });
});
