import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRenderId, newRenderId } from './render-id.ts';

describe('newRenderId', () => {
  it('newRenderId() begins with the time as the ULID specification writes it', () => {
    // github.com/ulid/spec: 01ARZ3NDEK is 1469922850259; the last representable time is 7ZZZZZZZZZ.
    const id = newRenderId(Date.now() + 3_600_000);
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const decode = (text: string) => [...text].reduce((sum, c) => sum * 32 + alphabet.indexOf(c), 0);
    expect(decode('01ARZ3NDEK')).toBe(1_469_922_850_259);
    expect(Math.abs(decode(id.slice(0, 10)) - (Date.now() + 3_600_000))).toBeLessThan(1_000);
  });

  it('newRenderId() sorts in the order of creation, whatever the clock does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 ** 48 - 2 }), { minLength: 2, maxLength: 50 }),
        (times) => {
          const ids = times.map((time) => newRenderId(time));
          expect([...ids].sort()).toEqual(ids);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.every(isRenderId)).toBe(true);
        },
      ),
    );
  });
});

describe('isRenderId', () => {
  it.each([
    '',
    '01ARZ3NDEKTSV4RRFFQ69G5FA',
    '01ARZ3NDEKTSV4RRFFQ69G5FAVV',
    '01ARZ3NDEKTSV4RRFFQ69G5FA.',
    '*',
    '>',
  ])('isRenderId() refuses %j', (text) => expect(isRenderId(text)).toBe(false));

  it('isRenderId() refuses lower case, look-alike letters and times past the year 10889', () => {
    for (const text of [
      '01arz3ndektsv4rrffq69g5fav',
      '01ARZ3NDEKTSV4RRFFQ69G5FAI',
      '8ZZZZZZZZZZZZZZZZZZZZZZZZZ',
    ]) {
      expect(isRenderId(text)).toBe(false);
    }
  });
});
