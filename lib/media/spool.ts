import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileFault, mediaFault } from './media-fault.ts';

export interface SpooledFile {
  readonly path: string;
  remove(): Promise<void>;
}

/** Keeps a stream in a private temporary file. Faults: MEDIA_TOO_LARGE, DISK_FULL; then nothing is left behind. */
export async function spoolToFile(
  pieces: AsyncIterable<Uint8Array>,
  options: { readonly folder: string; readonly maxBytes: number; readonly field: string },
): Promise<SpooledFile> {
  const folder = await mkdtemp(join(options.folder, 'talkmesh-spool-')).catch((error: unknown) => {
    throw fileFault(error);
  });
  const path = join(folder, 'upload');
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await writePieces(path, pieces, options);
    return { path, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function writePieces(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  { maxBytes, field }: { readonly maxBytes: number; readonly field: string },
): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw fileFault(error);
  });
  try {
    let written = 0;
    for await (const piece of pieces) {
      written += piece.length;
      if (written > maxBytes) {
        const description = `the file has more than ${maxBytes} bytes; send a smaller one`;
        throw mediaFault('MEDIA_TOO_LARGE', field, description, { maxBytes: String(maxBytes) });
      }
      await file.writeFile(piece).catch((error: unknown) => {
        throw fileFault(error);
      });
    }
  } finally {
    await file.close();
  }
}
