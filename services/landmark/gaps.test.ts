import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { createGapFiller, type GapFiller } from './gaps.ts';
import type { FaceMiss, FaceObservation, MissReason } from './observation.ts';
import { meanFace } from './testing/mean-face.ts';

const CLOCK = { numerator: 25, denominator: 1 };
const LIMITS = { minEyeDistancePx: 20, maxTurnDegrees: 55, maxOutsideShare: 0.25 };

const seen = (frameIndex: number, x = 0): FaceObservation => ({
  frameIndex,
  points: meanFace().map((value, i) => (i % 2 === 0 ? value + x : value)),
  confidence: 0.9,
  interpolated: false,
});
const missing = (frameIndex: number, miss: MissReason = 'absent'): FaceMiss => ({ frameIndex, miss });
const filler = (maxGapFrames = 12, still = false): GapFiller =>
  createGapFiller({ maxGapFrames }, CLOCK, LIMITS, still);

function run(gaps: GapFiller, results: readonly (FaceObservation | FaceMiss)[]): FaceObservation[] {
  return [...results.flatMap((result) => [...gaps.push(result)]), ...gaps.finish()];
}

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault was thrown');
}

describe('createGapFiller', () => {
  it('passes faces on at once', () => {
    const gaps = filler();
    const face = seen(0);
    expect(gaps.push(face)).toEqual([face]);
    expect(gaps.finish()).toEqual([]);
  });

  it('interpolates a short gap along straight lines, and says so', () => {
    const out = run(filler(), [seen(0, 0), missing(1), missing(2), missing(3), seen(4, 40)]);
    expect(out.map(({ frameIndex }) => frameIndex)).toEqual([0, 1, 2, 3, 4]);
    expect(out.map(({ interpolated }) => interpolated)).toEqual([false, true, true, true, false]);
    expect(out.map(({ confidence }) => confidence)).toEqual([0.9, 0, 0, 0, 0.9]);
    expect(out.map(({ points }) => points[0]! - meanFace()[0]!)).toEqual([0, 10, 20, 30, 40]);
  });

  it('holds the first face back to the start, and the last to the end', () => {
    const out = run(filler(), [missing(0), missing(1), seen(2, 7), missing(3)]);
    expect(out.map(({ interpolated }) => interpolated)).toEqual([true, true, false, true]);
    for (const { points } of out) expect(points).toEqual(seen(0, 7).points);
  });

  it('fills a gap of just the limit', () => {
    const results = [seen(0), ...Array.from({ length: 12 }, (_, i) => missing(i + 1)), seen(13)];
    expect(run(filler(12), results)).toHaveLength(14);
  });

  it('ends with FACE_LOST, which names the time, as soon as a gap is one frame longer', () => {
    const gaps = filler(12);
    for (let i = 0; i < 80; i++) gaps.push(seen(i));
    for (let i = 80; i < 92; i++) gaps.push(missing(i));
    const fault = faultOf(() => gaps.push(missing(92)));
    expect(fault.reason).toBe('FACE_LOST');
    expect(fault.kind).toBe('invalid');
    expect(fault.message).toContain('3.20 s');
    expect(fault.message).toContain('12 frames');
    expect(fault.metadata).toMatchObject({ frameIndex: '80', seconds: '3.20' });
  });

  it('says FACE_LOST, too, when the face is cut off by the border for too long', () => {
    const gaps = filler(1);
    gaps.push(seen(0));
    gaps.push(missing(1, 'out-of-frame'));
    const fault = faultOf(() => gaps.push(missing(2, 'out-of-frame')));
    expect(fault.reason).toBe('FACE_LOST');
    expect(fault.message).toContain('cut off by the border');
  });

  it.each([
    ['too-small', 'FACE_TOO_SMALL', '20 pixels'],
    ['in-profile', 'FACE_IN_PROFILE', '55 degrees'],
  ] as const)('names the limit when a followed face is %s for too long', (miss, reason, limit) => {
    const gaps = filler(2);
    gaps.push(seen(0));
    for (let i = 1; i <= 2; i++) gaps.push(missing(i, miss));
    const fault = faultOf(() => gaps.push(missing(3, miss)));
    expect(fault.reason).toBe(reason);
    expect(fault.message).toContain(limit);
    expect(fault.message).toContain('0.04 s');
  });

  it.each([
    ['absent', 'NO_FACE_FOUND'],
    ['too-small', 'FACE_TOO_SMALL'],
    ['in-profile', 'FACE_IN_PROFILE'],
    ['out-of-frame', 'FACE_OUT_OF_FRAME'],
  ] as const)('refuses a source that begins with a face that is %s: %s', (miss, reason) => {
    expect(faultOf(() => run(filler(0, true), [missing(0, miss)])).reason).toBe(reason);
    expect(faultOf(() => run(filler(12), [missing(0, miss), missing(1, miss)])).reason).toBe(reason);
  });

  it('gives the commonest of several reasons', () => {
    const results = [missing(0), missing(1, 'in-profile'), missing(2, 'in-profile')];
    const fault = faultOf(() => run(filler(2), results));
    expect(fault.reason).toBe('FACE_IN_PROFILE');
    expect(fault.message).toContain('0.04 s');
  });
});
