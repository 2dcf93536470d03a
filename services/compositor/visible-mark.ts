/**
 * The visible mark: a label in the lower left corner that says the picture is synthetic. The methods' authors
 * ask for one (DiffTalk, section 5). It is drawn as strokes, so that no font of the machine is needed and it
 * looks the same everywhere.
 */
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { type RgbaPicture, rasterizeSvg } from '#lib/media/svg.ts';

export interface VisibleMark {
  /** Draws the mark on the picture, in place. Pictures too small to hold it stay as they are. */
  draw(picture: RgbPixels): Promise<void>;
}

/** Height of the label as a share of the picture's shorter edge. */
const HEIGHT_SHARE = 0.045;
const MIN_HEIGHT_PX = 10;
const MARGIN_SHARE = 0.6;

/** Letters of "AI VIDEO" as polylines on a grid 4 wide and 6 high. */
const LETTERS: Readonly<Record<string, string>> = {
  A: 'M0 6 L2 0 L4 6 M0.8 4 L3.2 4',
  I: 'M2 0 L2 6',
  V: 'M0 0 L2 6 L4 0',
  D: 'M0.4 0 L0.4 6 L2 6 L3.6 4.6 L3.6 1.4 L2 0 Z',
  E: 'M3.6 0 L0.4 0 L0.4 6 L3.6 6 M0.4 3 L3 3',
  O: 'M1.4 0 L2.6 0 L4 1.4 L4 4.6 L2.6 6 L1.4 6 L0 4.6 L0 1.4 Z',
  ' ': '',
};
const TEXT = 'AI VIDEO';
const LETTER_WIDTH = 4;
const LETTER_HEIGHT = 6;
const LETTER_ADVANCE = 5.4;
const PADDING = 2.4;

/** Draws the mark; the label is made once for each picture size. */
export function createVisibleMark(): VisibleMark {
  const labels = new Map<string, Promise<Label | undefined>>();
  return {
    async draw(picture) {
      const size = `${picture.width}x${picture.height}`;
      if (!labels.has(size)) labels.set(size, makeLabel(picture.width, picture.height));
      const label = await labels.get(size);
      if (label !== undefined) overlay(picture, label);
    },
  };
}

interface Label extends RgbaPicture {
  readonly left: number;
  readonly top: number;
}

/** The label for pictures of one size; undefined when it would not fit. */
async function makeLabel(width: number, height: number): Promise<Label | undefined> {
  const columns = TEXT.length * LETTER_ADVANCE - (LETTER_ADVANCE - LETTER_WIDTH) + 2 * PADDING;
  const rows = LETTER_HEIGHT + 2 * PADDING;
  const labelHeight = Math.max(MIN_HEIGHT_PX, Math.round(Math.min(width, height) * HEIGHT_SHARE));
  const labelWidth = Math.round((labelHeight * columns) / rows);
  const margin = Math.round(labelHeight * MARGIN_SHARE);
  if (labelWidth + margin > width || labelHeight + margin > height) return undefined;
  const strokes = [...TEXT].map((letter, i) => {
    const x = PADDING + i * LETTER_ADVANCE;
    return `<path transform="translate(${x} ${PADDING})" d="${LETTERS[letter]}"/>`;
  });
  const label = await rasterizeSvg(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${labelWidth}" height="${labelHeight}" viewBox="0 0 ${columns} ${rows}">
      <rect width="${columns}" height="${rows}" rx="2.2" fill="#000" fill-opacity="0.45"/>
      <g fill="none" stroke="#fff" stroke-opacity="0.92" stroke-width="0.9" stroke-linecap="round"
        stroke-linejoin="round">${strokes.join('')}</g>
    </svg>`,
  );
  return { ...label, left: margin, top: height - margin - label.height };
}

function overlay(picture: RgbPixels, label: Label): void {
  for (let y = 0; y < label.height; y++) {
    for (let x = 0; x < label.width; x++) {
      const source = (y * label.width + x) * 4;
      const target = ((label.top + y) * picture.width + label.left + x) * 3;
      const alpha = label.data[source + 3]! / 255;
      for (let c = 0; c < 3; c++) {
        const below = picture.data[target + c]!;
        picture.data[target + c] = Math.round(below + (label.data[source + c]! - below) * alpha);
      }
    }
  }
}
