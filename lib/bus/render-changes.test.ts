import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RenderErrorSchema, RenderSchema, RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { isFault } from '#lib/fault/fault.ts';
import { cancelled, failed, givenUp, progressed, putBack, started, succeeded } from './render-changes.ts';
import type { RenderRecord } from './render-record.ts';
import { checkTransition, isEnded } from './render-state.ts';

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = RenderState;
const ERROR = create(RenderErrorSchema, { reason: 'NO_FACE_FOUND' });
const queued: RenderRecord = {
  tenant: 'acme',
  render: create(RenderSchema, { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', state: QUEUED }),
  chargedCount: 0,
  revision: 1,
};

type Step = readonly [name: string, change: (record: RenderRecord) => RenderRecord];

function step(attempt: number): fc.Arbitrary<Step> {
  return fc.constantFrom<Step>(
    ['started', started],
    ['progressed', (record) => progressed(record, attempt, { frameCount: 3, expectedFrameCount: 9 })],
    ['succeeded', (record) => succeeded(record, attempt, { sizeBytes: 5n }, undefined)],
    ['failed', (record) => failed(record, attempt, ERROR)],
    ['givenUp', (record) => givenUp(record, ERROR)],
    ['putBack', (record) => putBack(record, attempt, true)],
    ['putBack, uncharged', (record) => putBack(record, attempt, false)],
    ['cancelled', cancelled],
  );
}

/** As RenderRecords.update does: the change, then the check of the transition; a refusal leaves the record. */
function apply(record: RenderRecord, [, change]: Step): RenderRecord {
  try {
    const next = change(record);
    if (next !== record) checkTransition(record.render.state, next.render.state);
    return next;
  } catch (error) {
    if (isFault(error)) return record;
    throw error;
  }
}

describe('changes of a render', () => {
  it('leave an ended render as it is, count charges and only count attempts up, in any order', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 3 }).chain(step), { maxLength: 30 });
    fc.assert(
      fc.property(steps, (sequence) => {
        let record = queued;
        for (const each of sequence) {
          const next = apply(record, each);
          if (isEnded(record.render.state)) expect(next).toBe(record);
          expect(next.render.attemptCount).toBeGreaterThanOrEqual(record.render.attemptCount);
          expect(next.chargedCount).toBeGreaterThanOrEqual(0);
          expect(next.chargedCount).toBeLessThanOrEqual(next.render.attemptCount);
          expect(next.render.state === FAILED).toBe(next.render.error !== undefined);
          expect(next.render.state === SUCCEEDED).toBe(next.render.result !== undefined);
          record = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are refused to an attempt that was taken over', () => {
    const second = started(started(queued));
    for (const change of [
      () => progressed(second, 1, { frameCount: 1, expectedFrameCount: 2 }),
      () => succeeded(second, 1, {}, undefined),
      () => failed(second, 1, ERROR),
      () => putBack(second, 1, true),
    ]) {
      expect(change).toThrowError(expect.objectContaining({ reason: 'RENDER_SUPERSEDED' }));
    }
  });

  it('say that the render was cancelled', () => {
    const record = cancelled(started(queued));
    expect(record.render.state).toBe(CANCELLED);
    expect(() => succeeded(record, 1, {}, undefined)).toThrowError(
      expect.objectContaining({ kind: 'cancelled', reason: 'RENDER_CANCELLED' }),
    );
  });

  it('done twice are done once', () => {
    const running = started(queued);
    const done = succeeded(running, 1, { sizeBytes: 5n }, { frameCount: 9, expectedFrameCount: 9 });
    expect(done.render).toMatchObject({ state: SUCCEEDED, frameCount: 9n, expectedFrameCount: 9n });
    expect(succeeded(done, 1, { sizeBytes: 6n }, undefined)).toBe(done);
    const lost = failed(running, 1, ERROR);
    expect(failed(lost, 1, ERROR)).toBe(lost);
    const back = putBack(running, 1, false);
    expect(putBack(back, 1, false)).toBe(back);
    expect(back).toMatchObject({ chargedCount: 0, render: { state: QUEUED, attemptCount: 1 } });
    expect(running.render.state).toBe(RUNNING);
  });
});
