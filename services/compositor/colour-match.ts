/**
 * Colour match at the seam. Around the mask both pictures show the same thing: the original as it is, and the
 * generated region as the autoencoder gives it back. Their difference there, smooth and extended inwards, is
 * what lighting and autoencoder error add to the generated face; taking it away leaves no step at the edge.
 * It is the membrane of Poisson image editing (Pérez et al. 2003), solved on a coarse grid.
 */

const CELL_PX = 16;
const CHANNELS = 3;

/**
 * The generated region with its colours corrected where the mask is set.
 *
 * @param generated the generated region, RGB, width * height * 3 bytes
 * @param original the same region of the source frame
 * @param mask 255 where generated pixels will be shown, 0 where the original stays
 */
export function matchColours(
  generated: Uint8Array,
  original: Uint8Array,
  mask: Uint8Array,
  width: number,
  height: number,
): Uint8Array {
  const face = new Uint8Array(generated);
  const columns = Math.ceil(width / CELL_PX);
  const rows = Math.ceil(height / CELL_PX);
  const { field, weights } = differenceOutside(face, original, mask, width, height, columns, rows);
  fillGaps(field, weights, columns, rows);
  addField(face, mask, field, width, height, columns, rows);
  return face;
}

/** Mean of original - generated over the unmasked pixels of each cell; a cell without any has weight 0. */
function differenceOutside(
  face: Uint8Array,
  original: Uint8Array,
  mask: Uint8Array,
  width: number,
  height: number,
  columns: number,
  rows: number,
): { field: Float32Array; weights: Float32Array } {
  const field = new Float32Array(columns * rows * CHANNELS);
  const weights = new Float32Array(columns * rows);
  for (let y = 0; y < height; y++) {
    const cellRow = Math.floor(y / CELL_PX) * columns;
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      if (mask[pixel] !== 0) continue;
      const cell = cellRow + Math.floor(x / CELL_PX);
      weights[cell]! += 1;
      for (let c = 0; c < CHANNELS; c++) {
        field[cell * CHANNELS + c]! += original[pixel * CHANNELS + c]! - face[pixel * CHANNELS + c]!;
      }
    }
  }
  for (let cell = 0; cell < weights.length; cell++) {
    const weight = weights[cell]!;
    if (weight > 0) for (let c = 0; c < CHANNELS; c++) field[cell * CHANNELS + c]! /= weight;
  }
  return { field, weights };
}

/** Laplace's equation on the cells without a value, by Gauss-Seidel from the mean of the known ones. */
function fillGaps(field: Float32Array, weights: Float32Array, columns: number, rows: number): void {
  const gaps: number[] = [];
  for (let cell = 0; cell < weights.length; cell++) if (weights[cell] === 0) gaps.push(cell);
  if (gaps.length === 0 || gaps.length === weights.length) return;
  const known = weights.length - gaps.length;
  for (let c = 0; c < CHANNELS; c++) {
    let sum = 0;
    for (let cell = 0; cell < weights.length; cell++)
      if (weights[cell]! > 0) sum += field[cell * CHANNELS + c]!;
    for (const cell of gaps) field[cell * CHANNELS + c] = sum / known;
  }
  const rounds = 2 * Math.max(columns, rows);
  for (let round = 0; round < rounds; round++) {
    for (const cell of gaps) relax(field, cell, columns, rows);
  }
}

function relax(field: Float32Array, cell: number, columns: number, rows: number): void {
  const x = cell % columns;
  const y = (cell - x) / columns;
  for (let c = 0; c < CHANNELS; c++) {
    let sum = 0;
    let count = 0;
    if (x > 0) {
      sum += field[(cell - 1) * CHANNELS + c]!;
      count++;
    }
    if (x + 1 < columns) {
      sum += field[(cell + 1) * CHANNELS + c]!;
      count++;
    }
    if (y > 0) {
      sum += field[(cell - columns) * CHANNELS + c]!;
      count++;
    }
    if (y + 1 < rows) {
      sum += field[(cell + columns) * CHANNELS + c]!;
      count++;
    }
    field[cell * CHANNELS + c] = sum / count;
  }
}

/** Adds the field, bilinear between cell centres, to the masked pixels. */
function addField(
  face: Uint8Array,
  mask: Uint8Array,
  field: Float32Array,
  width: number,
  height: number,
  columns: number,
  rows: number,
): void {
  for (let y = 0; y < height; y++) {
    const v = Math.min(rows - 1, Math.max(0, (y + 0.5) / CELL_PX - 0.5));
    const row = Math.min(Math.floor(v), Math.max(0, rows - 2));
    const fy = v - row;
    const below = Math.min(row + 1, rows - 1);
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      if (mask[pixel] === 0) continue;
      const u = Math.min(columns - 1, Math.max(0, (x + 0.5) / CELL_PX - 0.5));
      const column = Math.min(Math.floor(u), Math.max(0, columns - 2));
      const fx = u - column;
      const right = Math.min(column + 1, columns - 1);
      for (let c = 0; c < CHANNELS; c++) {
        const top =
          field[(row * columns + column) * CHANNELS + c]! * (1 - fx) +
          field[(row * columns + right) * CHANNELS + c]! * fx;
        const bottom =
          field[(below * columns + column) * CHANNELS + c]! * (1 - fx) +
          field[(below * columns + right) * CHANNELS + c]! * fx;
        const value = face[pixel * CHANNELS + c]! + top * (1 - fy) + bottom * fy;
        face[pixel * CHANNELS + c] = value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
      }
    }
  }
}
