/** Pixels: rows from the top, three bytes a pixel (red, green, blue), no padding; width * height * 3 bytes. */
export interface RgbPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** One picture of a source at the output rate. Its bytes belong to whoever receives it. */
export interface RgbFrame extends RgbPixels {
  /** The frame, from 0, on the output clock: shown from index * denominator / numerator seconds on. */
  readonly index: number;
}

/** A rational frame rate: `numerator` frames in `denominator` seconds. */
export interface FrameRate {
  readonly numerator: number;
  readonly denominator: number;
}
