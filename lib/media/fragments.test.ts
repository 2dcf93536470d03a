import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MediaFragment, readFragments } from './fragments.ts';

function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(body.length + 8, 0);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, body]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}

/** A fragment with the given samples of tracks 1 (pictures) and 2 (sound), sound first. */
function fragment(pictures: number, sounds: number): Buffer {
  const track = (id: number, samples: number): Buffer =>
    box('traf', box('tfhd', words(0, id)), box('trun', words(0, samples)));
  return Buffer.concat([
    box('moof', track(2, sounds), track(1, pictures)),
    box('mdat', Buffer.alloc(10, pictures)),
  ]);
}

const HEADER = Buffer.concat([box('ftyp', Buffer.from('isom')), box('moov', Buffer.alloc(20))]);
const FILE = Buffer.concat([HEADER, fragment(5, 9), fragment(3, 8), box('mfra', Buffer.alloc(4))]);

async function* inPieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    yield bytes.subarray(from, to);
    from = to;
  }
}

describe('readFragments', () => {
  it('cuts at the header and each fragment, and counts the pictures, however the bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 20 }), async (cuts) => {
        const fragments: MediaFragment[] = [];
        for await (const piece of readFragments(inPieces(FILE, cuts))) fragments.push(piece);
        expect(fragments.map(({ frameCount }) => frameCount)).toEqual([0, 5, 3, 0]);
        expect(fragments[0]!.data).toEqual(HEADER);
        expect(Buffer.concat(fragments.map(({ data }) => data))).toEqual(FILE);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['an unfinished box', FILE.subarray(0, FILE.length - 1)],
    ['a box without a size', Buffer.concat([HEADER, Buffer.alloc(16)])],
    ['a child longer than its parent', Buffer.concat([HEADER, box('moof', words(900, 0)), box('mdat')])],
  ])('refuses %s', async (_, bytes) => {
    const read = async (): Promise<void> => {
      for await (const _fragment of readFragments(inPieces(bytes, [])));
    };
    await expect(read()).rejects.toMatchObject({ reason: 'FRAGMENT_BROKEN' });
  });
});
