/** Renders that are given up without another attempt. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Fault } from '#lib/fault/fault.ts';
import type { RenderRecord } from './render-record.ts';

/** Why a render is not begun, or not begun again, if so. */
export function refusalOf(record: RenderRecord, maxAttempts: number, maxWaitMs: number): Fault | undefined {
  if (record.chargedCount >= maxAttempts) return exhausted(record.chargedCount, undefined);
  const { createTime, attemptCount } = record.render;
  if (attemptCount > 0 || createTime === undefined || Date.now() - timestampMs(createTime) < maxWaitMs)
    return undefined;
  return new Fault(
    'late',
    'RENDER_QUEUE_TIMEOUT',
    'no worker was free in time; try again when there is less to do',
  );
}

/** The end of a render that has failed too often. */
export function exhausted(attempts: number, last: Fault | undefined): Fault {
  const why =
    last === undefined
      ? 'the last one ended without a word'
      : `the last one with ${last.reason}: ${last.message}`;
  return new Fault('internal', 'RENDER_DELIVERIES_EXHAUSTED', `given up after ${attempts} attempts, ${why}`, {
    cause: last,
  });
}
