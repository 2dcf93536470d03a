/** What may happen to a render, as pure functions from record to record for `RenderRecords.update`. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type RenderError,
  RenderErrorSchema,
  RenderResultSchema,
  RenderState,
} from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { changed, type RenderRecord } from './render-record.ts';
import { isEnded } from './render-state.ts';

export interface Progress {
  /** Frames done. */
  readonly frameCount: number;
  /** Frames in all; zero while unknown. */
  readonly expectedFrameCount: number;
}

/** What a finished attempt made: the render's result, all but what the protocol fills in. */
export type ResultInit = MessageInitShape<typeof RenderResultSchema>;

const { RUNNING, QUEUED, SUCCEEDED, FAILED, CANCELLED } = RenderState;

/** A worker begins an attempt. It counts against the limit until it turns out that it should not. */
export function started(record: RenderRecord): RenderRecord {
  const attemptCount = record.render.attemptCount + 1;
  return changed(record, { state: RUNNING, attemptCount }, record.chargedCount + 1);
}

/** Why an attempt may not go on, if so: the render ended, or another worker took it over. */
export function lostClaim(record: RenderRecord | undefined, attempt: number): Fault | undefined {
  if (record === undefined)
    return new Fault('missing', 'RENDER_NOT_FOUND', 'the render was deleted or has expired');
  const { state, attemptCount } = record.render;
  if (state === CANCELLED) return new Fault('cancelled', 'RENDER_CANCELLED', 'the render was cancelled');
  if (isEnded(state)) return new Fault('precondition', 'RENDER_ENDED', 'the render has ended');
  if (attemptCount === attempt && state === RUNNING) return undefined;
  return new Fault(
    'superseded',
    'RENDER_SUPERSEDED',
    `attempt ${attempt} was taken over by attempt ${attemptCount}`,
  );
}

/** @throws Fault RENDER_CANCELLED, RENDER_ENDED, RENDER_SUPERSEDED */
function checkClaim(record: RenderRecord, attempt: number): void {
  const fault = lostClaim(record, attempt);
  if (fault !== undefined) throw fault;
}

function counts(progress: Progress | undefined): { frameCount?: bigint; expectedFrameCount?: bigint } {
  if (progress === undefined) return {};
  return { frameCount: BigInt(progress.frameCount), expectedFrameCount: BigInt(progress.expectedFrameCount) };
}

/** Frames were done. */
export function progressed(record: RenderRecord, attempt: number, progress: Progress): RenderRecord {
  checkClaim(record, attempt);
  return changed(record, counts(progress));
}

/** The attempt made the video. Done twice, it is done once. */
export function succeeded(
  record: RenderRecord,
  attempt: number,
  result: ResultInit,
  progress: Progress | undefined,
): RenderRecord {
  if (record.render.state === SUCCEEDED && record.render.attemptCount === attempt) return record;
  checkClaim(record, attempt);
  return changed(record, {
    ...counts(progress),
    state: SUCCEEDED,
    result: create(RenderResultSchema, result),
  });
}

/** The attempt failed, and no other can do better. Done twice, it is done once. */
export function failed(record: RenderRecord, attempt: number, error: RenderError): RenderRecord {
  if (record.render.state === FAILED && record.render.attemptCount === attempt) return record;
  checkClaim(record, attempt);
  return changed(record, { state: FAILED, error });
}

/** No attempt is begun any more. A render that has ended stays as it is. */
export function givenUp(record: RenderRecord, error: RenderError): RenderRecord {
  return isEnded(record.render.state) ? record : changed(record, { state: FAILED, error });
}

/** The attempt ends, another will follow. `charged` says whether it counts against the limit. */
export function putBack(record: RenderRecord, attempt: number, charged: boolean): RenderRecord {
  if (record.render.state === QUEUED && record.render.attemptCount === attempt) return record;
  checkClaim(record, attempt);
  return changed(record, { state: QUEUED }, record.chargedCount - (charged ? 0 : 1));
}

/** The caller cancels. A render that has ended stays as it is. */
export function cancelled(record: RenderRecord): RenderRecord {
  return isEnded(record.render.state) ? record : changed(record, { state: CANCELLED });
}

/** A fault as the error of a render. */
export function renderError(fault: Fault, traceId: string): RenderError {
  return create(RenderErrorSchema, {
    reason: fault.reason,
    message: fault.message,
    field: fault.violations[0]?.field ?? '',
    traceId,
  });
}
