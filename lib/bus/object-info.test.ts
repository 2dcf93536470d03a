import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeInfo,
  encodeInfo,
  metaSubject,
  nameOfMetaSubject,
  packSequences,
  unpackSequences,
} from './object-info.ts';

const ascending = fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { maxLength: 200 }).map((steps) => {
  let sum = 0;
  return steps.map((step) => {
    sum += step;
    return sum;
  });
});

describe('packSequences', () => {
  it('packSequences() and unpackSequences() are each other’s inverse', () => {
    fc.assert(
      fc.property(ascending, (sequences) => {
        expect(unpackSequences(packSequences(sequences))).toEqual(sequences);
      }),
    );
  });

  it('packSequences() needs few bytes: the index of 20 GB fits a message beside much else', () => {
    const sequences = Array.from({ length: 80_000 }, (_, i) => 5_000_000_000 + i * 3);
    expect(packSequences(sequences).length).toBeLessThan(128 * 1024);
  });
});

describe('metaSubject', () => {
  it('metaSubject() is the padded base64url of other clients', () => {
    expect(metaSubject('b', 'a>?')).toBe('$O.b.M.YT4_');
    expect(metaSubject('b', 'ab')).toBe('$O.b.M.YWI=');
  });

  it('metaSubject() is undone by nameOfMetaSubject()', () => {
    fc.assert(fc.property(fc.string(), (name) => nameOfMetaSubject(metaSubject('b', name)) === name));
  });
});

describe('decodeInfo', () => {
  const chunks = { id: 'N', sequences: [3, 4, 9], sizeBytes: 21, chunkBytes: 10, sha256: 'ab'.repeat(32) };
  const encode = () => encodeInfo('b', { name: 'x', chunks, metadata: { a: 'b' } }, new Date(5));

  it('decodeInfo() gives back what encodeInfo() was given', () => {
    expect(decodeInfo(encode(), 7, new Date(5))).toEqual({
      name: 'x',
      chunks,
      metadata: { a: 'b' },
      revision: 7,
      storedAt: new Date(5),
    });
  });

  it('decodeInfo() takes a tombstone for nothing', () => {
    const tombstone = Buffer.from(encode()).toString().replace('"deleted":false', '"deleted":true');
    expect(decodeInfo(Buffer.from(tombstone), 7, new Date())).toBeUndefined();
  });

  it('decodeInfo() refuses what is damaged or lacks the places of its chunks', () => {
    const without = Buffer.from(encode()).toString().replace('talkmesh-chunk-sequences', 'other');
    for (const text of ['', '{}', 'null', without]) {
      expect(() => decodeInfo(Buffer.from(text), 7, new Date())).toThrowError(
        expect.objectContaining({ kind: 'corrupt', reason: 'OBJECT_CORRUPT' }),
      );
    }
  });
});
