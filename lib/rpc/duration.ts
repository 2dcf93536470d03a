/** google.protobuf.Duration and milliseconds. */
import type { Duration } from '@bufbuild/protobuf/wkt';

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

/** The duration in milliseconds; 0 when it is not set. */
export function durationMs(duration: Duration | undefined): number {
  if (duration === undefined) return 0;
  return Number(duration.seconds) * MS_PER_SECOND + duration.nanos / NANOS_PER_MS;
}

/** Milliseconds, from 0 on, as a duration. */
export function toDuration(milliseconds: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(milliseconds / MS_PER_SECOND);
  const nanos = Math.round((milliseconds - seconds * MS_PER_SECOND) * NANOS_PER_MS);
  // Rounding may fill the second.
  return nanos === MS_PER_SECOND * NANOS_PER_MS
    ? { seconds: BigInt(seconds + 1), nanos: 0 }
    : { seconds: BigInt(seconds), nanos };
}
