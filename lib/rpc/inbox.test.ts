import { describe, expect, it, vi } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { createInbox } from './inbox.ts';

const message = (text: string): Buffer => Buffer.from(text);
const fault = new Fault('unavailable', 'CONNECTION_LOST', 'x');

describe('createInbox()', () => {
  it('asks for the next message only when the last is taken', async () => {
    const requestMore = vi.fn();
    const inbox = createInbox(requestMore);
    inbox.deliver(message('a'));
    expect(requestMore).toHaveBeenCalledTimes(0);
    expect(String(await inbox.take())).toBe('a');
    expect(requestMore).toHaveBeenCalledTimes(1);
    const waiting = inbox.take();
    inbox.deliver(message('b'));
    expect(requestMore).toHaveBeenCalledTimes(2);
    expect(String(await waiting)).toBe('b');
  });

  it('answers readers in the order of their asking', async () => {
    const inbox = createInbox(() => undefined);
    const readers = [inbox.take(), inbox.take(), inbox.take()];
    inbox.deliver(message('a'));
    inbox.deliver(message('b'));
    inbox.end();
    expect((await Promise.all(readers)).map(String)).toEqual(['a', 'b', 'undefined']);
  });

  it('gives out what it holds before the end, and before a fault', async () => {
    const inbox = createInbox(() => undefined);
    inbox.deliver(message('a'));
    inbox.end(fault);
    inbox.deliver(message('late'));
    expect(String(await inbox.take())).toBe('a');
    await expect(inbox.take()).rejects.toBe(fault);
    await expect(inbox.take()).rejects.toBe(fault);
  });

  it('drops what it holds when aborted, and keeps the first fault', async () => {
    const inbox = createInbox(() => undefined);
    inbox.deliver(message('a'));
    inbox.abort(fault);
    inbox.abort(new Fault('cancelled', 'X', 'x'));
    await expect(inbox.take()).rejects.toBe(fault);
  });
});
