import { describe, expect, it } from 'vitest';
import { bulkDueMs, liveDueMs } from './due-time.ts';

describe('liveDueMs()', () => {
  it('is the presentation time, counted from the beginning of the stream', () => {
    expect(liveDueMs(1000, 900, 240)).toBe(1140);
  });

  it('is never before the frame came', () => {
    expect(liveDueMs(1000, 900, 40)).toBe(1000);
    expect(liveDueMs(1000, 900, undefined)).toBe(1000);
  });
});

describe('bulkDueMs()', () => {
  it('lets live frames go first until its patience ends', () => {
    const bulk = bulkDueMs(1000, 2000);
    expect(liveDueMs(2900, 0, 2950)).toBeLessThan(bulk);
    expect(liveDueMs(2900, 0, 3100)).toBeGreaterThan(bulk);
  });
});
