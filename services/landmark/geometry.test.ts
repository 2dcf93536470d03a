import { describe, expect, it } from 'vitest';
import {
  boundsOf,
  boxHolds,
  eyeDistance,
  outsideShare,
  overlap,
  rigidCentre,
  squareAround,
  turnDegrees,
} from './geometry.ts';
import { faceInBox, meanFace } from './testing/mean-face.ts';

const box = (x0: number, y0: number, x1: number, y1: number) => ({ x0, y0, x1, y1 });

describe('overlap', () => {
  it('is intersection over union', () => {
    expect(overlap(box(0, 0, 10, 10), box(0, 0, 10, 10))).toBe(1);
    expect(overlap(box(0, 0, 10, 10), box(5, 0, 15, 10))).toBeCloseTo(1 / 3, 12);
    expect(overlap(box(0, 0, 10, 10), box(10, 0, 20, 10))).toBe(0);
    expect(overlap(box(3, 3, 3, 3), box(3, 3, 3, 3))).toBe(0);
  });
});

describe('boundsOf and squareAround', () => {
  it('give the square that the landmark graph reads', () => {
    const bounds = boundsOf(faceInBox(box(100, 50, 180, 170)));
    expect(bounds.x0).toBeCloseTo(100, 9);
    expect(bounds.y1).toBeCloseTo(170, 9);
    const square = squareAround(bounds, 1.5);
    expect(square.centreX).toBeCloseTo(140, 9);
    expect(square.centreY).toBeCloseTo(110, 9);
    expect(square.sidePx).toBeCloseTo(180, 9);
  });
});

describe('boxHolds', () => {
  it('includes the border', () => {
    expect(boxHolds(box(1, 2, 3, 4), { x: 1, y: 4 })).toBe(true);
    expect(boxHolds(box(1, 2, 3, 4), { x: 0.9, y: 3 })).toBe(false);
  });
});

describe('eyeDistance and rigidCentre', () => {
  it('measure the mean face: 176 pixels between the outer eye corners of the f8-512 crop', () => {
    expect(eyeDistance(meanFace())).toBeCloseTo(176, 9);
    expect(rigidCentre(meanFace()).x).toBeCloseTo(256, 2);
  });
});

describe('outsideShare', () => {
  it('counts the points beyond each border', () => {
    const face = faceInBox(box(0, 0, 100, 100));
    expect(outsideShare(face, 100, 100)).toBe(0);
    expect(outsideShare(faceInBox(box(-50, 0, 50, 100)), 100, 100)).toBeCloseTo(29 / 68, 12);
    expect(outsideShare(faceInBox(box(0, 200, 100, 300)), 100, 100)).toBe(1);
  });
});

describe('turnDegrees', () => {
  /** Outer eye corners at +-1, nose tip 1.00 in front of them: the proportions of the ICT-FaceKit mean head. */
  function turned(yawDegrees: number, rollDegrees: number): Float64Array {
    const face = new Float64Array(136);
    const [yaw, roll] = [(yawDegrees * Math.PI) / 180, (rollDegrees * Math.PI) / 180];
    const put = (index: number, x: number, y: number, z: number): void => {
      const across = x * Math.cos(yaw) + z * Math.sin(yaw);
      face[2 * index] = 300 + 90 * (across * Math.cos(roll) - y * Math.sin(roll));
      face[2 * index + 1] = 200 + 90 * (across * Math.sin(roll) + y * Math.cos(roll));
    };
    put(36, -1, 0, 0);
    put(45, 1, 0, 0);
    put(30, 0, 0.68, 1);
    return face;
  }

  it('reads the angle of an orthographic view, whatever the roll', () => {
    for (const yaw of [0, 20, 45, 70, -60]) {
      for (const roll of [0, 25, -80]) expect(turnDegrees(turned(yaw, roll))).toBeCloseTo(Math.abs(yaw), 6);
    }
  });

  it('calls coinciding eyes a full profile', () => {
    expect(turnDegrees(new Float64Array(136))).toBe(90);
  });
});
