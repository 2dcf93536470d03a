/** Photographs, read by sharp: recognised by their first bytes, shown as the camera held them, plain 8-bit RGB. */
import { open } from 'node:fs/promises';
import sharp from 'sharp';
import type { Fault } from '#lib/fault/fault.ts';
import { mediaFault, truncatedFault, unreadableFault } from './media-fault.ts';
import type { RgbFrame } from './rgb-frame.ts';

export type PhotographFormat = 'jpeg' | 'png' | 'webp' | 'avif';

export interface PhotographInfo {
  readonly format: PhotographFormat;
  /** Pixels as shown, the EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
}

const AVIF_BRANDS = new Set(['avif', 'avis', 'mif1', 'msf1']);
const HEIC_BRANDS = new Set(['heic', 'heix', 'hevc', 'hevx', 'heim', 'heis']);

/**
 * The kind of photograph that a file's first bytes announce, or undefined. Pictures of other kinds that sharp
 * would open (SVG names other files, GIF, TIFF, HEIC) are refused here by name.
 */
export async function sniffPhotograph(path: string, field: string): Promise<PhotographFormat | undefined> {
  const head = await readHead(path, 32);
  if (head.length >= 3 && head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return 'jpeg';
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return 'png';
  const text = head.toString('latin1');
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  const brand = text.slice(4, 8) === 'ftyp' ? text.slice(8, 12) : '';
  if (AVIF_BRANDS.has(brand)) return 'avif';
  if (HEIC_BRANDS.has(brand)) throw refusedPicture('HEIC', field);
  if (text.startsWith('GIF8')) throw refusedPicture('GIF', field);
  if (/^(II\*\0|MM\0\*)/.test(text)) throw refusedPicture('TIFF', field);
  if (/^\s*<(\?xml|svg|!DOCTYPE)/i.test(text)) throw refusedPicture('SVG', field);
  return undefined;
}

/** Reads the header only. Throws MEDIA_UNREADABLE, and SOURCE_TOO_LARGE above `maxPixels`. */
export async function probePhotograph(
  path: string,
  format: PhotographFormat,
  maxPixels: number,
  field: string,
): Promise<PhotographInfo> {
  const { autoOrient } = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw unreadableFault(field, error);
    });
  const { width, height } = autoOrient;
  if (width * height > maxPixels) throw tooLargeFault(width, height, maxPixels, field);
  return { format, width, height };
}

/**
 * Decodes a photograph to RGB: EXIF orientation obeyed, grey, CMYK, 16-bit and wide-gamut pictures converted to
 * 8-bit sRGB by their profile, transparency shown on black. A file that ends early is refused, not half shown.
 */
export async function readPhotograph(
  path: string,
  options: { readonly maxEdgePx?: number | undefined; readonly maxPixels: number; readonly field: string },
): Promise<RgbFrame> {
  let picture = sharp(path, { limitInputPixels: options.maxPixels, failOn: 'truncated' })
    .autoOrient()
    .flatten({ background: '#000000' })
    .toColourspace('srgb')
    .removeAlpha();
  if (options.maxEdgePx !== undefined) {
    const edge = options.maxEdgePx;
    picture = picture.resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true });
  }
  const { data, info } = await picture
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => {
      throw decodeFault(error, options.field);
    });
  return { index: 0, width: info.width, height: info.height, data };
}

export function tooLargeFault(width: number, height: number, maxPixels: number, field: string): Fault {
  return mediaFault(
    'SOURCE_TOO_LARGE',
    field,
    `the picture has ${width}x${height} pixels; at most ${maxPixels} pixels in all are read; scale it down`,
    { width: String(width), height: String(height), maxPixels: String(maxPixels) },
  );
}

function refusedPicture(kind: string, field: string): Fault {
  const description = `${kind} pictures are not read; send jpeg, png, webp or avif`;
  return mediaFault('MEDIA_FORMAT_REFUSED', field, description, { format: kind });
}

function decodeFault(error: unknown, field: string): Fault {
  const text = error instanceof Error ? error.message : String(error);
  return /premature|truncat|end of (file|stream)|unexpected end/i.test(text)
    ? truncatedFault(field, error)
    : unreadableFault(field, error);
}

async function readHead(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
