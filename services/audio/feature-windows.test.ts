import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFeatureWindows, type IndexedWindow } from './feature-windows.ts';

const rowOf = (frame: number) => Float32Array.of(frame + 1, -(frame + 1));

function windowsOf(
  count: number,
  left: number,
  right: number,
): { windows: IndexedWindow[]; immediately: number } {
  const stack = createFeatureWindows(left, right, 2);
  const windows: IndexedWindow[] = [];
  for (let frame = 0; frame < count; frame++) windows.push(...stack.push(rowOf(frame)));
  const immediately = windows.length;
  windows.push(...stack.flush());
  return { windows, immediately };
}

describe('createFeatureWindows()', () => {
  it('centres each frame between its neighbours, with zeros outside the voice', () => {
    const { windows } = windowsOf(3, 1, 2);
    expect(windows.map(({ features }) => [...features])).toEqual([
      [0, 0, 1, -1, 2, -2, 3, -3],
      [1, -1, 2, -2, 3, -3, 0, 0],
      [2, -2, 3, -3, 0, 0, 0, 0],
    ]);
  });

  it('gives one window a frame, in order, holding back `right` frames', () => {
    const edge = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), edge, edge, (count, left, right) => {
        const { windows, immediately } = windowsOf(count, left, right);
        expect(windows.map(({ frameIndex }) => frameIndex)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        expect(immediately).toBe(Math.max(0, count - right));
        for (const { frameIndex, features } of windows) {
          for (let k = 0; k <= left + right; k++) {
            const frame = frameIndex - left + k;
            const inside = frame >= 0 && frame < count;
            expect(features[2 * k]).toBe(inside ? frame + 1 : 0);
          }
        }
      }),
    );
  });
});
