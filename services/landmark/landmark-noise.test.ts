import { describe, expect, it } from 'vitest';
import { poseFace } from './head-pose.ts';
import { createNoiseMeter } from './landmark-noise.ts';
import { meanFace } from './testing/mean-face.ts';
import { normals } from './testing/normals.ts';
import { MOUTH } from './topology.ts';

function deviationOf(frames: number, at: (t: number) => Float64Array): number {
  const meter = createNoiseMeter();
  const shapes = Array.from({ length: frames }, (_, t) => poseFace(at(t)).shape);
  for (let t = 1; t + 1 < frames; t++) meter.add(shapes[t - 1]!, shapes[t]!, shapes[t + 1]!);
  return meter.deviation();
}

describe('createNoiseMeter', () => {
  const face = meanFace();

  it('knows nothing before the first frame', () => {
    expect(createNoiseMeter().deviation()).toBe(0);
  });

  it('measures the noise of the landmarks in eye distances, whatever the head does', () => {
    for (const pixels of [0.3, 1.5]) {
      const normal = normals(3);
      const deviation = deviationOf(200, (t) =>
        face.map((value) => (value + pixels * normal()) * (1 + 0.1 * Math.sin(t / 9)) + 20 * Math.sin(t / 5)),
      );
      expect(deviation * 176).toBeGreaterThan(0.8 * pixels);
      expect(deviation * 176).toBeLessThan(1.25 * pixels);
    }
  });

  it('does not take speech for noise', () => {
    const talking = (t: number): Float64Array => {
      const points = face.slice();
      for (const index of MOUTH) points[2 * index + 1] = points[2 * index + 1]! + 15 * Math.sin(t);
      return points;
    };
    expect(deviationOf(60, talking)).toBeLessThan(1e-9);
  });

  it('is not carried away by one glitch', () => {
    const [normal, other] = [normals(4), normals(4)];
    const calm = (): Float64Array => face.map((value) => value + 0.3 * normal());
    const glitch = (t: number): Float64Array => face.map((value) => value + (t === 100 ? 40 : 0.3) * other());
    expect(deviationOf(130, glitch)).toBeLessThan(2 * deviationOf(130, calm));
  });
});
