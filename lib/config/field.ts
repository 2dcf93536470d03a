/**
 * One configuration value: the environment variable it comes from, how its text is read, and what it means.
 * Each builder below returns a field whose parser says what is wrong in words that name the remedy.
 */

export interface FieldDescription {
  /** Name of the environment variable, such as TALKMESH_HTTP_PORT. */
  readonly key: string;
  /** One sentence: what the value does. */
  readonly description: string;
  /** Unit of the parsed value, such as "ms" or "bytes". */
  readonly unit?: string;
  /** Secrets are never printed, and may also come from the file that KEY_FILE names. Default false. */
  readonly secret?: boolean;
}

export interface Field<T> extends FieldDescription {
  /** What is accepted, for documentation: "integer from 1 to 64". */
  readonly accepts: string;
  /** Absent when the value must be given. */
  readonly fallback?: { readonly value: T };
  /** Reads a non-empty text. @throws FieldError when it is not acceptable. */
  parse(text: string): T;
  /** The value as text, for the log of the effective configuration. */
  show(value: T): string;
}

/** What is wrong with one value; the message completes "KEY: ". */
export class FieldError extends Error {
  override readonly name = 'FieldError';
}

/** A description plus the default; without the default the value is required. */
export type FieldOptions<T> = FieldDescription & { readonly default?: T };

function field<T>(options: FieldOptions<T>, rest: Pick<Field<T>, 'accepts' | 'parse' | 'show'>): Field<T> {
  const { default: value, ...description } = options;
  return value === undefined ? { ...description, ...rest } : { ...description, ...rest, fallback: { value } };
}

function refuse(text: string, accepts: string, secret: boolean | undefined): never {
  throw new FieldError(`${secret ? 'the value' : JSON.stringify(text)} is not accepted; give ${accepts}`);
}

export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

function numeric(
  options: FieldOptions<number> & NumberRange,
  kind: 'integer' | 'number',
  pattern: RegExp,
): Field<number> {
  const { min, max, ...rest } = options;
  const accepts = `${kind === 'integer' ? 'an integer' : 'a number'} from ${min} to ${max}`;
  return field(rest, {
    accepts,
    show: String,
    parse(text) {
      const value = Number(text);
      if (!pattern.test(text) || value < min || value > max) refuse(text, accepts, rest.secret);
      return value;
    },
  });
}

/** A whole number within bounds, both included. */
export function integer(options: FieldOptions<number> & NumberRange): Field<number> {
  return numeric(options, 'integer', /^[+-]?\d{1,15}$/);
}

/** A decimal number within bounds, both included. */
export function decimal(options: FieldOptions<number> & NumberRange): Field<number> {
  return numeric(options, 'number', /^[+-]?\d{1,15}(\.\d{1,15})?$/);
}

/** Numbers with a unit behind them, converted to the smallest one. */
function measured(
  options: FieldOptions<number> & NumberRange,
  unit: string,
  factors: Readonly<Record<string, number>>,
): Field<number> {
  const { min, max, ...rest } = options;
  const units = Object.keys(factors);
  const largest = (value: number): string => {
    const fitting = units.filter((name) => value !== 0 && value % factors[name]! === 0).at(-1) ?? units[0]!;
    return `${value / factors[fitting]!}${fitting}`;
  };
  const accepts = `a number with its unit (${units.join(', ')}), from ${largest(min)} to ${largest(max)}`;
  const pattern = new RegExp(`^(\\d{1,12}(?:\\.\\d{1,6})?)\\s?(${units.join('|')})$`);
  return field(
    { ...rest, unit },
    {
      accepts,
      show: largest,
      parse(text) {
        const match = pattern.exec(text);
        const value = match === null ? Number.NaN : Math.round(Number(match[1]) * factors[match[2]!]!);
        if (!(value >= min && value <= max)) refuse(text, accepts, rest.secret);
        return value;
      },
    },
  );
}

/** A time span such as "250ms", "30s", "5m" or "2h", in milliseconds. */
export function duration(options: FieldOptions<number> & NumberRange): Field<number> {
  return measured(options, 'ms', { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 });
}

/** A size such as "512KiB", "64MiB" or "2GiB", in bytes. */
export function byteSize(options: FieldOptions<number> & NumberRange): Field<number> {
  return measured(options, 'bytes', { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 });
}

/** "true" or "false". */
export function flag(options: FieldOptions<boolean>): Field<boolean> {
  const accepts = 'true or false';
  return field(options, {
    accepts,
    show: String,
    parse: (text) =>
      text === 'true' ? true : text === 'false' ? false : refuse(text, accepts, options.secret),
  });
}

/** One of a few words. */
export function choice<const T extends string>(
  options: Omit<FieldOptions<T>, 'default'> & {
    readonly choices: readonly T[];
    readonly default?: NoInfer<T>;
  },
): Field<T> {
  const { choices, ...rest } = options;
  const accepts = `one of ${choices.join(', ')}`;
  return field<T>(rest, {
    accepts,
    show: String,
    parse: (text) => choices.find((one) => one === text) ?? refuse(text, accepts, rest.secret),
  });
}

/** Free text, optionally of a stated form. */
export function text(
  options: FieldOptions<string> & { readonly pattern?: RegExp; readonly accepts?: string },
): Field<string> {
  const { pattern, accepts = 'text', ...rest } = options;
  return field(rest, {
    accepts,
    show: String,
    parse: (value) =>
      pattern === undefined || pattern.test(value) ? value : refuse(value, accepts, rest.secret),
  });
}

/** An absolute URL of one of the given schemes. User and password in it are not shown. */
export function url(options: FieldOptions<string> & { readonly schemes: readonly string[] }): Field<string> {
  const { schemes, ...rest } = options;
  const accepts = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  return field(rest, {
    accepts,
    show: withoutCredentials,
    parse(value) {
      const parsed = URL.parse(value);
      if (parsed === null || !schemes.includes(parsed.protocol.slice(0, -1)) || parsed.host === '') {
        // The text may hold a password, so it is not repeated.
        throw new FieldError(`the value is not accepted; give ${accepts}`);
      }
      return value;
    },
  });
}

function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/@]*@/, '//[withheld]@');
}

/** Texts separated by commas, each optionally of a stated form. Spaces around a comma do not count. */
export function textList(
  options: FieldOptions<readonly string[]> & { readonly pattern?: RegExp; readonly accepts?: string },
): Field<readonly string[]> {
  const { pattern = /./, accepts: each = 'text', ...rest } = options;
  const accepts = `${each}; several are separated by commas`;
  return field(rest, {
    accepts,
    show: (values) => values.join(','),
    parse(value) {
      const parts = value.split(',').map((part) => part.trim());
      return parts.every((part) => pattern.test(part)) ? parts : refuse(value, accepts, rest.secret);
    },
  });
}

/** The same field, undefined when it is not given. */
export function optional<T>(inner: Field<T>): Field<T | undefined> {
  return {
    ...inner,
    fallback: { value: undefined },
    show: (value) => (value === undefined ? '' : inner.show(value)),
  };
}
