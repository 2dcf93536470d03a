/**
 * Pixels to and from what graphs see: RGB bytes, rows from the top, three a pixel; against float32 planes
 * [3, height, width] in [-1, 1] (x / 127.5 - 1). Both write into memory of the caller's.
 */

const PLANE_VALUES = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1);

/**
 * Writes RGB bytes as three planes at `offset` of `planes`.
 *
 * @param rgb width * height * 3 bytes
 * @param planes has room for rgb.length values from `offset` on
 */
export function writePlanes(rgb: Uint8Array, planes: Float32Array, offset = 0): void {
  const pixelCount = rgb.length / 3;
  if (!Number.isInteger(pixelCount) || planes.length - offset < rgb.length) {
    throw new RangeError(`${rgb.length} RGB bytes do not fit ${planes.length - offset} plane values`);
  }
  let red = offset;
  let green = offset + pixelCount;
  let blue = green + pixelCount;
  for (let at = 0; at < rgb.length; at += 3) {
    planes[red++] = PLANE_VALUES[rgb[at]!]!;
    planes[green++] = PLANE_VALUES[rgb[at + 1]!]!;
    planes[blue++] = PLANE_VALUES[rgb[at + 2]!]!;
  }
}

/**
 * Writes three planes from `offset` of `planes` as RGB bytes, rounded to the nearest (half to even) and
 * clamped to 0 to 255. It inverts `writePlanes` exactly.
 *
 * @param planes holds rgb.length values from `offset` on
 * @param rgb width * height * 3 bytes
 */
export function writePixels(planes: Float32Array, rgb: Uint8Array, offset = 0): void {
  const pixelCount = rgb.length / 3;
  if (!Number.isInteger(pixelCount) || planes.length - offset < rgb.length) {
    throw new RangeError(`${planes.length - offset} plane values do not fill ${rgb.length} RGB bytes`);
  }
  let red = offset;
  let green = offset + pixelCount;
  let blue = green + pixelCount;
  // A clamped array rounds and clamps as it stores, by ECMAScript's ToUint8Clamp.
  const bytes = new Uint8ClampedArray(rgb.buffer, rgb.byteOffset, rgb.length);
  for (let at = 0; at < bytes.length; at += 3) {
    bytes[at] = planes[red++]! * 127.5 + 127.5;
    bytes[at + 1] = planes[green++]! * 127.5 + 127.5;
    bytes[at + 2] = planes[blue++]! * 127.5 + 127.5;
  }
}
