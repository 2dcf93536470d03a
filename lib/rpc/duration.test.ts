import { create, toBinary } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationMs, toDuration } from './duration.ts';

describe('durations', () => {
  it('go there and back, to the nanosecond', () => {
    expect(durationMs(undefined)).toBe(0);
    expect(toDuration(1500)).toEqual({ seconds: 1n, nanos: 500_000_000 });
    expect(toDuration(1000 / 30)).toEqual({ seconds: 0n, nanos: 33_333_333 });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (milliseconds) => {
        const duration = create(DurationSchema, toDuration(milliseconds));
        expect(duration.nanos).toBeLessThan(1_000_000_000);
        expect(toBinary(DurationSchema, duration)).toBeInstanceOf(Uint8Array);
        expect(Math.abs(durationMs(duration) - milliseconds)).toBeLessThan(1e-5);
      }),
    );
  });

  it('never round up to a full second of nanoseconds', () => {
    expect(toDuration(999.999_999_9)).toEqual({ seconds: 1n, nanos: 0 });
  });
});
