/** Intervals kept apart before the oldest are folded into the total; more than runs that can be in flight. */
const OPEN_INTERVALS = 64;

export interface BusyTime {
  /** Adds the interval [startMs, endMs]. Intervals come in about the order of their ends. */
  add(startMs: number, endMs: number): void;
  /** Length of the union of all intervals so far, so that what overlapped counts once. */
  totalMs(): number;
}

export function createBusyTime(): BusyTime {
  /** Disjoint, ascending. */
  const open: { startMs: number; endMs: number }[] = [];
  let foldedMs = 0;
  return {
    add(startMs, endMs) {
      let start = startMs;
      let end = endMs;
      let at = open.length;
      while (at > 0 && open[at - 1]!.startMs > end) at--;
      let first = at;
      while (first > 0 && open[first - 1]!.endMs >= start) {
        first--;
        start = Math.min(start, open[first]!.startMs);
        end = Math.max(end, open[first]!.endMs);
      }
      open.splice(first, at - first, { startMs: start, endMs: end });
      while (open.length > OPEN_INTERVALS) {
        const oldest = open.shift()!;
        foldedMs += oldest.endMs - oldest.startMs;
      }
    },
    totalMs: () => open.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, foldedMs),
  };
}
