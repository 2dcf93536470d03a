/**
 * Readers for untrusted JSON that report every violation instead of the first one. A reader returns the typed
 * value, or records what is wrong and returns undefined; nothing is defaulted, coerced or ignored.
 */
import type { FieldViolation } from '#lib/fault/fault.ts';

export type Reader<T> = (value: unknown, field: string, violations: FieldViolation[]) => T | undefined;

interface OptionalReader<T> {
  readonly optional: Reader<T>;
}

type Fields = Readonly<Record<string, Reader<unknown> | OptionalReader<unknown>>>;

type Value<F> = F extends OptionalReader<infer T> ? T | undefined : F extends Reader<infer T> ? T : never;

/** Marks a field that may be absent. */
export function optional<T>(reader: Reader<T>): OptionalReader<T> {
  return { optional: reader };
}

/** An object with exactly these fields; unknown ones are violations. */
export function object<F extends Fields>(fields: F): Reader<{ readonly [K in keyof F]: Value<F[K]> }> {
  return (value, field, violations) => {
    const record = asRecord(value, field, violations);
    if (record === undefined) return undefined;
    const before = violations.length;
    for (const key of Object.keys(record)) {
      if (!Object.hasOwn(fields, key)) {
        const known = Object.keys(fields).join(', ');
        violations.push({ field: join(field, key), description: `is unknown; the fields here are ${known}` });
      }
    }
    const result: Record<string, unknown> = {};
    for (const [key, entry] of Object.entries(fields)) {
      const present = Object.hasOwn(record, key);
      if (typeof entry === 'function') {
        if (present) result[key] = entry(record[key], join(field, key), violations);
        else violations.push({ field: join(field, key), description: 'is required' });
      } else if (present) {
        result[key] = entry.optional(record[key], join(field, key), violations);
      }
    }
    return violations.length === before ? (result as { readonly [K in keyof F]: Value<F[K]> }) : undefined;
  };
}

/** An object of any keys, whose values are all read by one reader. */
export function record<T>(reader: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, field, violations) => {
    const entries = asRecord(value, field, violations);
    if (entries === undefined) return undefined;
    const before = violations.length;
    const result: Record<string, T> = {};
    for (const [key, entry] of Object.entries(entries)) {
      const read = reader(entry, join(field, key), violations);
      if (read !== undefined) result[key] = read;
    }
    return violations.length === before ? result : undefined;
  };
}

/** An array of `length` items, or of at least `min`. */
export function array<T>(
  reader: Reader<T>,
  size: { readonly min?: number; readonly length?: number } = {},
): Reader<readonly T[]> {
  return (value, field, violations) => {
    if (!Array.isArray(value)) return violation(violations, field, `must be an array, not ${kindOf(value)}`);
    if (size.length !== undefined && value.length !== size.length) {
      return violation(violations, field, `must hold ${size.length} items, not ${value.length}`);
    }
    if (size.min !== undefined && value.length < size.min) {
      return violation(violations, field, `must hold at least ${size.min} items, not ${value.length}`);
    }
    const before = violations.length;
    const items = value.map((item: unknown, index) => reader(item, `${field}[${index}]`, violations) as T);
    return violations.length === before ? items : undefined;
  };
}

/** A finite number in [min, max]. */
export function number(min = -Number.MAX_VALUE, max = Number.MAX_VALUE): Reader<number> {
  return (value, field, violations) => {
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return violation(violations, field, `must be a number${range(min, max)}, not ${show(value)}`);
  };
}

/** An integer in [min, max]. */
export function integer(min: number, max: number): Reader<number> {
  return (value, field, violations) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    return violation(violations, field, `must be an integer${range(min, max)}, not ${show(value)}`);
  };
}

/** Text that matches the pattern. */
export function text(pattern: RegExp = /./): Reader<string> {
  return (value, field, violations) => {
    if (typeof value === 'string' && pattern.test(value)) return value;
    return violation(violations, field, `must be text matching ${pattern}, not ${show(value)}`);
  };
}

export const boolean: Reader<boolean> = (value, field, violations) =>
  typeof value === 'boolean'
    ? value
    : violation(violations, field, `must be true or false, not ${show(value)}`);

/** One of these values. */
export function oneOf<const T extends string | number>(...choices: readonly T[]): Reader<T> {
  return (value, field, violations) =>
    choices.includes(value as T)
      ? (value as T)
      : violation(
          violations,
          field,
          `must be ${choices.map((choice) => JSON.stringify(choice)).join(' or ')}, not ${show(value)}`,
        );
}

/** Any JSON value. */
export const anything: Reader<unknown> = (value) => value;

/** Whichever of two readers `choose` names. */
export function either<A, B>(choose: (value: unknown) => boolean, a: Reader<A>, b: Reader<B>): Reader<A | B> {
  return (value, field, violations) => (choose(value) ? a : b)(value, field, violations);
}

function asRecord(
  value: unknown,
  field: string,
  violations: FieldViolation[],
): Readonly<Record<string, unknown>> | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  return violation(violations, field === '' ? '.' : field, `must be an object, not ${kindOf(value)}`);
}

function violation(violations: FieldViolation[], field: string, description: string): undefined {
  violations.push({ field, description });
  return undefined;
}

function join(field: string, key: string): string {
  return field === '' ? key : `${field}.${key}`;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}

function range(min: number, max: number): string {
  const low = min === -Number.MAX_VALUE ? '' : ` of at least ${min}`;
  const high = max === Number.MAX_VALUE ? '' : `${low === '' ? ' of' : ' and'} at most ${max}`;
  return low + high;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? kindOf(value);
  return shown.length <= 60 ? shown : kindOf(value);
}
