import type { Clock } from '../clock.ts';

/** A clock that stands still until it is told to move; `soon` runs with the next `settle`. */
export interface FakeClock extends Clock {
  advance(milliseconds: number): void;
  /** Runs what is due soon, and lets promises react, until nothing is left to do at this time. */
  settle(): Promise<void>;
}

export function createFakeClock(): FakeClock {
  let nowMs = 0;
  const soon: (() => void)[] = [];
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  return {
    now: () => nowMs,
    after(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    soon: (callback) => void soon.push(callback),
    advance(milliseconds) {
      nowMs += milliseconds;
      for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
        timers.delete(timer);
        timer.callback();
      }
    },
    async settle() {
      do {
        for (const callback of soon.splice(0)) callback();
        // One turn of the event loop: every promise reaction has run by then.
        await new Promise((resolve) => setImmediate(resolve));
      } while (soon.length > 0);
    },
  };
}
