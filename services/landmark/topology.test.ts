import { describe, expect, it } from 'vitest';
import {
  DIFFTALK_VISIBLE,
  INNER_LIPS,
  JAW,
  LEFT_BROW,
  LEFT_EYE,
  MOUTH_OPENING,
  NOSE_BASE,
  NOSE_BRIDGE,
  OUTER_LIPS,
  RIGHT_BROW,
  RIGHT_EYE,
  RIGID,
} from './topology.ts';

describe('the iBUG-68 layout', () => {
  it('is divided into its parts without overlap', () => {
    const parts = [
      JAW,
      RIGHT_BROW,
      LEFT_BROW,
      NOSE_BRIDGE,
      NOSE_BASE,
      RIGHT_EYE,
      LEFT_EYE,
      OUTER_LIPS,
      INNER_LIPS,
    ];
    expect(parts.flat()).toEqual(Array.from({ length: 68 }, (_, i) => i));
  });

  it('gives the released DiffTalk code its 39 points: 0-3 and 13-47', () => {
    expect(DIFFTALK_VISIBLE).toHaveLength(39);
    expect(DIFFTALK_VISIBLE.slice(0, 6)).toEqual([0, 1, 2, 3, 13, 14]);
    expect(DIFFTALK_VISIBLE.at(-1)).toBe(47);
  });

  it('keeps the points that tell mouth opening apart from the rigid ones', () => {
    expect(RIGID.filter((index) => MOUTH_OPENING.includes(index))).toEqual([]);
  });
});
