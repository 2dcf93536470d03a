/** Drawings as pixels. */
import sharp from 'sharp';

/** RGBA, four bytes a pixel, not premultiplied. */
export interface RgbaPicture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An SVG drawing at its own size. The text comes from this project, never from a request. */
export async function rasterizeSvg(svg: string): Promise<RgbaPicture> {
  const { data, info } = await sharp(Buffer.from(svg))
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}
