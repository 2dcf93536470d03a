/** A process's configuration: a record of fields read once from the environment into typed values. */
import { readFileSync } from 'node:fs';
import { Fault, type FieldViolation } from '#lib/fault/fault.ts';
import { type Field, FieldError } from './field.ts';
import { nearestName } from './nearest-name.ts';

/** Property name -> field. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

export type ConfigOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

/** An environment: process.env, or a plain object in a test. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ParseOptions {
  /** Variables that begin so and that no field names are refused. Default "TALKMESH_". */
  readonly prefix?: string;
}

const FILE_SUFFIX = '_FILE';

/** The text of a field: from its variable or, for a secret, from the file that KEY_FILE names. Empty counts as unset. */
function readText(field: Field<unknown>, env: Environment): string | undefined {
  const text = env[field.key];
  const file = field.secret ? env[field.key + FILE_SUFFIX] : undefined;
  if (file === undefined || file === '') return text === '' ? undefined : text;
  if (text !== undefined && text !== '') {
    throw new FieldError(`is given twice, by itself and by ${field.key}${FILE_SUFFIX}; give one of them`);
  }
  try {
    const content = readFileSync(file, 'utf8').trim();
    if (content === '') throw new FieldError(`the file that ${field.key}${FILE_SUFFIX} names is empty`);
    return content;
  } catch (error) {
    if (error instanceof FieldError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new FieldError(`the file that ${field.key}${FILE_SUFFIX} names cannot be read (${code})`);
  }
}

function readField(field: Field<unknown>, env: Environment): unknown {
  const text = readText(field, env);
  if (text !== undefined) return field.parse(text);
  if (field.fallback !== undefined) return field.fallback.value;
  throw new FieldError(`is required; give ${field.accepts}`);
}

/** Kubernetes describes services to pods by such variables, unless the pod declines them. */
const SERVICE_LINK = /_(SERVICE_(HOST|PORT)(_|$)|PORT(_\d+_(TCP|UDP)|$))/;

function describeUnknown(key: string, value: string, known: readonly string[]): string {
  if (SERVICE_LINK.test(key) && /^(tcp|udp):\/\/|^[\d.]+$|^(tcp|udp)$/.test(value)) {
    return 'is unknown; it looks like a Kubernetes service link, so set enableServiceLinks: false on the pod';
  }
  const near = nearestName(key, known);
  return near === undefined ? 'is unknown; remove it' : `is unknown; did you mean ${near}?`;
}

function findUnknown(fields: Fields, env: Environment, prefix: string): FieldViolation[] {
  const known = Object.values(fields).flatMap(({ key, secret }) =>
    secret ? [key, key + FILE_SUFFIX] : [key],
  );
  const accepted = new Set(known);
  return Object.entries(env)
    .filter(([key, value]) => key.startsWith(prefix) && !accepted.has(key) && value !== undefined)
    .map(([key, value]) => ({ field: key, description: describeUnknown(key, value!, known) }));
}

/**
 * Reads every field from the environment.
 *
 * @throws Fault invalid/CONFIG_INVALID with one violation for each value that is missing, wrong or unknown. The
 *   message lists them all, one per line, so that one look at the log suffices. Secrets are not repeated in it.
 */
export function parseConfig<const F extends Fields>(
  fields: F,
  env: Environment,
  options: ParseOptions = {},
): ConfigOf<F> {
  const violations: FieldViolation[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    try {
      values[name] = readField(field, env);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      violations.push({ field: field.key, description: error.message });
    }
  }
  violations.push(...findUnknown(fields, env, options.prefix ?? 'TALKMESH_'));
  if (violations.length > 0) {
    const lines = violations.map(({ field, description }) => `\n  ${field}: ${description}`);
    throw new Fault('invalid', 'CONFIG_INVALID', `the configuration is not valid:${lines.join('')}`, {
      violations,
    });
  }
  return values as ConfigOf<F>;
}
