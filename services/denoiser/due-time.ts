/** When a frame should be done by, which is the order in which frames of all streams are served (batcher.ts). */

/**
 * A live frame is due when it is to be shown, but never before it came, or a caller could pass everybody by asking
 * for the past. Without a presentation time it is due at once.
 *
 * @param arrivedMs when its conditions came
 * @param startMs when the stream began
 * @param presentationMs since the stream began
 */
export function liveDueMs(arrivedMs: number, startMs: number, presentationMs: number | undefined): number {
  return presentationMs === undefined ? arrivedMs : Math.max(arrivedMs, startMs + presentationMs);
}

/** A bulk frame lets live frames that are due within its patience go first, and ages by standing still. */
export function bulkDueMs(arrivedMs: number, patienceMs: number): number {
  return arrivedMs + patienceMs;
}
