/**
 * The iBUG-68 landmark layout (Sagonas et al., "300 Faces in-the-Wild Challenge", 2013) and the subsets of it that
 * have a meaning here. "Right" and "left" are the person's own, so right is on the picture's left side.
 */

/**
 * 68 points as x, y pairs in pixels: Float64Array of 136. x runs to the right, y down, and (0, 0) is the top left
 * corner of the top left pixel.
 */
export type LandmarkPoints = Float64Array;

const span = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, offset) => first + offset);

/** Jaw line, from the person's right ear over the chin (8) to the left ear. */
export const JAW: readonly number[] = span(0, 16);
export const RIGHT_BROW: readonly number[] = span(17, 21);
export const LEFT_BROW: readonly number[] = span(22, 26);
export const NOSE_BRIDGE: readonly number[] = span(27, 30);
export const NOSE_BASE: readonly number[] = span(31, 35);
export const RIGHT_EYE: readonly number[] = span(36, 41);
export const LEFT_EYE: readonly number[] = span(42, 47);
export const OUTER_LIPS: readonly number[] = span(48, 59);
export const INNER_LIPS: readonly number[] = span(60, 67);
export const MOUTH: readonly number[] = [...OUTER_LIPS, ...INNER_LIPS];

export const NOSE_TIP = 30;
export const RIGHT_EYE_OUTER_CORNER = 36;
export const LEFT_EYE_OUTER_CORNER = 45;

/** The points that the released DiffTalk code feeds its landmark encoder (talk_data_ref_smooth.py), in its order. */
export const DIFFTALK_VISIBLE: readonly number[] = [...span(0, 3), ...span(13, 47)];

/** Points that give mouth opening away: chin and jaw follow it (measured on synthetic heads), the lips are it. */
export const MOUTH_OPENING: readonly number[] = [...span(3, 13), ...MOUTH];

/** Eye corners and nose bridge: bone beneath, so that they follow the head and neither speech, brows nor blinks. */
export const RIGID: readonly number[] = [...NOSE_BRIDGE, 36, 39, 42, 45];
