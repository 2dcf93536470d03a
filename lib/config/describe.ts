/** What an operator reads about the configuration: every key, and the values in effect without secrets. */
import type { Field } from './field.ts';
import type { ConfigOf, Fields } from './parse.ts';

/** One row of the configuration's reference. */
export interface KeyDescription {
  readonly key: string;
  readonly description: string;
  readonly accepts: string;
  readonly unit: string | undefined;
  readonly secret: boolean;
  /** As text; empty when the value is optional and unset by default; undefined when it is required. */
  readonly default: string | undefined;
}

const WITHHELD = '[withheld]';

/** Every key in the order of the fields, for `talkmesh doctor` and the documentation. */
export function describeFields(fields: Fields): KeyDescription[] {
  return Object.values(fields).map((field: Field<unknown>) => ({
    key: field.key,
    description: field.description,
    accepts: field.accepts,
    unit: field.unit,
    secret: field.secret ?? false,
    default: field.fallback === undefined ? undefined : field.show(field.fallback.value),
  }));
}

/** The values in effect by key, as text, secrets and passwords in URLs withheld. Unset optional values are left out. */
export function effectiveConfig<F extends Fields>(fields: F, config: ConfigOf<F>): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value: unknown = config[name];
    if (value !== undefined) shown[field.key] = field.secret ? WITHHELD : field.show(value);
  }
  return shown;
}
