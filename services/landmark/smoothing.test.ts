import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaceObservation } from './observation.ts';
import { createLandmarkSmoother, DEFAULT_SMOOTHING, type SmoothingConfig } from './smoothing.ts';
import { meanFace } from './testing/mean-face.ts';
import { normals } from './testing/normals.ts';
import { MOUTH_OPENING, RIGID } from './topology.ts';

function clip(count: number, at: (frame: number) => Float64Array): FaceObservation[] {
  return Array.from({ length: count }, (_, frameIndex) => ({
    frameIndex,
    points: at(frameIndex),
    confidence: 1,
    interpolated: false,
  }));
}

function smooth(
  observations: readonly FaceObservation[],
  config: SmoothingConfig = DEFAULT_SMOOTHING,
): FaceObservation[] {
  const smoother = createLandmarkSmoother(config);
  return [...observations.flatMap((observation) => [...smoother.push(observation)]), ...smoother.finish()];
}

const moved = (points: Float64Array, x: number, y: number): Float64Array =>
  points.map((value, i) => value + (i % 2 === 0 ? x : y));

const rms = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

describe('createLandmarkSmoother', () => {
  const face = meanFace();

  it('gives every frame back once, in order, one look-ahead late', () => {
    const smoother = createLandmarkSmoother(DEFAULT_SMOOTHING);
    const frames = clip(9, () => face);
    const out = frames.map((frame) => smoother.push(frame).map(({ frameIndex }) => frameIndex));
    expect(out).toEqual([[], [], [], [], [0], [1], [2], [3], [4]]);
    expect(smoother.finish().map(({ frameIndex }) => frameIndex)).toEqual([5, 6, 7, 8]);
    expect(smoother.finish()).toEqual([]);
  });

  it('takes noise off a head at rest: half of that of each point, and of its pose from 0.28 px to 0.17', () => {
    const normal = normals(5);
    const noisy = clip(120, () => face.map((value) => value + 0.8 * normal()));
    const out = smooth(noisy).slice(4, -4);
    const left = out.flatMap(({ points }) => [...points].map((value, i) => value - face[i]!));
    expect(rms(left)).toBeLessThan(0.45);
    const nose = out.map(
      ({ points }) => RIGID.reduce((sum, i) => sum + points[2 * i]! - face[2 * i]!, 0) / RIGID.length,
    );
    expect(rms(nose)).toBeLessThan(0.17);
  });

  it('passes steady motion unchanged at every frame: no lag, at the ends neither', () => {
    const frames = clip(30, (t) => moved(face, 9 * t, -4 * t));
    for (const [t, { points }] of smooth(frames).entries()) {
      for (const [i, value] of points.entries()) expect(value).toBeCloseTo(frames[t]!.points[i]!, 6);
    }
  });

  it('does not smear a jump: frames on either side keep their own place', () => {
    const frames = clip(20, (t) => moved(face, t < 10 ? 0 : 40, 0));
    for (const [t, { points }] of smooth(frames).entries()) {
      for (const [i, value] of points.entries()) expect(value).toBeCloseTo(frames[t]!.points[i]!, 2);
    }
  });

  it.each([
    ['slow nod', 1, 6, 0.25],
    ['fast nod', 3, 10, 0.32],
  ])('follows a %s (%i Hz, %i px) through noise to %f px, and not late', (_, hz, px, limitPx) => {
    const normal = normals(11);
    const nod = (t: number): number => px * Math.sin((2 * Math.PI * hz * t) / 25);
    const noisy = clip(150, (t) => moved(face, 0, nod(t)).map((value) => value + 0.6 * normal()));
    const head = ({ points }: FaceObservation): number =>
      RIGID.reduce((sum, i) => sum + points[2 * i + 1]! - face[2 * i + 1]!, 0) / RIGID.length;
    const errors = smooth(noisy)
      .map((frame, t) => head(frame) - nod(t))
      .slice(4, -4);
    expect(rms(errors)).toBeLessThan(limitPx);
    const speed = (i: number): number => nod(i + 5) - nod(i + 3);
    const late = errors.reduce((sum, error, i) => sum + error * speed(i), 0);
    const frames = late / errors.reduce((sum, _, i) => sum + speed(i) ** 2, 0);
    expect(Math.abs(frames)).toBeLessThan(0.02);
  });

  it('leaves landmarks without noise as they are, however the head moves', () => {
    const frames = clip(40, (t) => moved(face, 8 * Math.sin(t / 3), 5 * Math.cos(t / 2)));
    for (const [t, { points }] of smooth(frames).entries()) {
      for (const [i, value] of points.entries())
        expect(Math.abs(value - frames[t]!.points[i]!)).toBeLessThan(0.01);
    }
  });

  it('keeps lips that close for one frame', () => {
    const closed = (t: number): number => (t === 15 ? 0 : 14);
    const out = smooth(
      clip(30, (t) => {
        const points = face.slice();
        for (const i of [65, 66, 67]) points[2 * i + 1] = points[2 * i + 1]! + closed(t);
        return points;
      }),
    );
    const aperture = out.map(({ points }) => points[2 * 66 + 1]! - points[2 * 62 + 1]!);
    expect(aperture[14]! - aperture[15]!).toBeGreaterThan(13.5);
  });

  it('gives the first frames the same values whatever comes later than the look-ahead', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 6, max: 25 }), (seed, shared) => {
        const normal = normals(seed);
        const head = clip(shared, () => face.map((value) => value + normal()));
        const tail = clip(8, () => face.map((value) => value + 5 * normal())).map((frame, i) => ({
          ...frame,
          frameIndex: shared + i,
        }));
        const short = smooth(head).slice(0, shared - 4);
        const long = smooth([...head, ...tail]).slice(0, shared - 4);
        expect(long).toEqual(short);
      }),
      { numRuns: 30 },
    );
  });

  it('lets nothing of the mouth into any other point', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (seed, mouthSeed) => {
        const [normal, mouth] = [normals(seed), normals(mouthSeed)];
        const still = clip(14, () => face.map((value) => value + normal()));
        const talking = still.map((frame) => {
          const points = frame.points.slice();
          for (const i of MOUTH_OPENING) {
            points[2 * i] = points[2 * i]! + 20 * mouth();
            points[2 * i + 1] = points[2 * i + 1]! + 20 * mouth();
          }
          return { ...frame, points };
        });
        const [a, b] = [smooth(still), smooth(talking)];
        for (const [t, { points }] of a.entries()) {
          for (const [i, value] of points.entries()) {
            if (!MOUTH_OPENING.includes(Math.floor(i / 2))) expect(b[t]!.points[i]).toBe(value);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  it('can be switched off, and holds no more than twice its look-ahead', () => {
    const frames = clip(5, (t) => moved(face, t * t, 0));
    expect(smooth(frames, { ...DEFAULT_SMOOTHING, lookAheadFrames: 0 })).toEqual(frames);
    expect(() => createLandmarkSmoother({ ...DEFAULT_SMOOTHING, lookAheadFrames: 1.5 })).toThrow(RangeError);
  });
});
