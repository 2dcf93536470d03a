import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRange } from './byte-range.ts';

describe('parseRange', () => {
  it.each([
    ['bytes=0-99', { offset: 0, length: 100 }],
    ['bytes=900-', { offset: 900, length: 100 }],
    ['bytes=-50', { offset: 950, length: 50 }],
    ['bytes=-5000', { offset: 0, length: 1000 }],
    ['bytes=990-2000', { offset: 990, length: 10 }],
    ['bytes=5-5', { offset: 5, length: 1 }],
  ])('reads %s', (header, span) => {
    expect(parseRange(header, 1000)).toEqual(span);
  });

  it.each([undefined, '', 'bytes=-', 'bytes=9-3', 'bytes=0-1,5-6', 'frames=0-1', 'bytes=a-b'])(
    'serves the whole for %s',
    (header) => {
      expect(parseRange(header, 1000)).toBeUndefined();
    },
  );

  it.each(['bytes=1000-', 'bytes=1000-1001', 'bytes=-0'])('refuses %s', (header) => {
    expect(() => parseRange(header, 1000)).toThrow(
      expect.objectContaining({ reason: 'RANGE_UNSATISFIABLE' }),
    );
  });

  it('never leaves the file, whatever the header', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 1e9 }),
        (noise, first, last, size) => {
          for (const header of [noise, `bytes=${noise}`, `bytes=${first}-${last}`, `bytes=-${last}`]) {
            try {
              const span = parseRange(header, size);
              if (span === undefined) continue;
              expect(span.offset).toBeGreaterThanOrEqual(0);
              expect(span.length).toBeGreaterThan(0);
              expect(span.offset + span.length).toBeLessThanOrEqual(size);
            } catch (error) {
              expect(error).toMatchObject({ reason: 'RANGE_UNSATISFIABLE' });
            }
          }
        },
      ),
    );
  });
});
