/** Fragmented MP4 (ISO/IEC 14496-12) cut at its natural places: the header, then one `moof` and `mdat` each. */
import { Fault } from '#lib/fault/fault.ts';

export interface MediaFragment {
  readonly data: Uint8Array;
  /** Frames of the first track that begin here; 0 in the header. */
  readonly frameCount: number;
}

const BOX_HEADER_BYTES = 8;

/**
 * Yields the initialisation segment (`ftyp`, `moov`), then each fragment, then what follows the last one.
 *
 * @throws Fault internal/FRAGMENT_BROKEN when the stream ends inside a box or a box has no sensible size.
 */
export async function* readFragments(stream: AsyncIterable<Uint8Array>): AsyncGenerator<MediaFragment> {
  let buffered: Uint8Array[] = [];
  let frameCount = 0;
  for await (const box of readBoxes(stream)) {
    buffered.push(box.data);
    if (box.type === 'moof') frameCount = countFrames(box.data);
    if (box.type !== 'moov' && box.type !== 'mdat') continue;
    yield { data: Buffer.concat(buffered), frameCount };
    buffered = [];
    frameCount = 0;
  }
  if (buffered.length > 0) yield { data: Buffer.concat(buffered), frameCount };
}

async function* readBoxes(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ type: string; data: Uint8Array }> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
    while (pending.length >= BOX_HEADER_BYTES) {
      const size = pending.readUInt32BE(0);
      // Sizes 0 (to the end) and 1 (64 bit) are never written by a fragmenting muxer.
      if (size < BOX_HEADER_BYTES) throw broken(`a box of ${size} bytes`);
      if (pending.length < size) break;
      yield { type: boxType(pending, 0), data: pending.subarray(0, size) };
      pending = pending.subarray(size);
    }
  }
  if (pending.length > 0) throw broken(`${pending.length} bytes of an unfinished box`);
}

/** The sample count of the first track's runs: `moof` > `traf` with the lowest track id > `trun`. */
function countFrames(moof: Uint8Array): number {
  const view = Buffer.from(moof.buffer, moof.byteOffset, moof.byteLength);
  let lowestTrack = Number.POSITIVE_INFINITY;
  let frames = 0;
  for (const traf of children(view, BOX_HEADER_BYTES, view.length)) {
    if (traf.type !== 'traf') continue;
    let track = 0;
    let samples = 0;
    for (const box of children(view, traf.start + BOX_HEADER_BYTES, traf.end)) {
      if (box.type === 'tfhd') track = view.readUInt32BE(box.start + 12);
      if (box.type === 'trun') samples += view.readUInt32BE(box.start + 12);
    }
    if (track < lowestTrack) {
      lowestTrack = track;
      frames = samples;
    }
  }
  return frames;
}

function* children(
  view: Buffer,
  from: number,
  to: number,
): Generator<{ type: string; start: number; end: number }> {
  let start = from;
  while (start + BOX_HEADER_BYTES <= to) {
    const size = view.readUInt32BE(start);
    if (size < BOX_HEADER_BYTES || start + size > to) throw broken(`a child box of ${size} bytes`);
    yield { type: boxType(view, start), start, end: start + size };
    start += size;
  }
}

function boxType(view: Buffer, start: number): string {
  return view.toString('latin1', start + 4, start + 8);
}

function broken(what: string): Fault {
  return new Fault('internal', 'FRAGMENT_BROKEN', `the encoder wrote ${what}`);
}
