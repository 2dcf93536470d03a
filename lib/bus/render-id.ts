/** Identifiers of renders: 26 characters that sort by time of creation (ULID, github.com/ulid/spec). */
import { randomBytes } from 'node:crypto';

/** Crockford's base32, without I, L, O and U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const FORM = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const RANDOM_BITS = 80n;
const RANDOM_LIMIT = 1n << RANDOM_BITS;

let last = { timeMs: -1, random: 0n };

/**
 * A new identifier: 48 bits of time in milliseconds, 80 random bits. Within one process a later identifier always
 * sorts behind an earlier one, even in the same millisecond or when the clock steps back.
 */
export function newRenderId(nowMs = Date.now()): string {
  const random = BigInt(`0x${randomBytes(10).toString('hex')}`);
  last = nowMs > last.timeMs ? { timeMs: nowMs, random } : { timeMs: last.timeMs, random: last.random + 1n };
  if (last.random >= RANDOM_LIMIT) last = { timeMs: last.timeMs + 1, random };
  let value = (BigInt(last.timeMs) << RANDOM_BITS) | last.random;
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return text;
}

/** Whether the text has the form of an identifier. Whatever has not never gets into a subject. */
export function isRenderId(text: string): boolean {
  return FORM.test(text);
}
