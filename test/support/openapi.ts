/** The OpenAPI document that a gateway serves, and whether an answer is what it promises. */

type Schema = Readonly<Record<string, unknown>>;

export interface OpenApiOperation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>
  >;
  readonly security: readonly Schema[];
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Every `$ref` in the document that leads nowhere. */
export function danglingReferences(document: OpenApiDocument): string[] {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
  return references.filter((reference) => resolve(document, { $ref: reference }) === undefined);
}

function resolve(document: OpenApiDocument, schema: Schema): Schema | undefined {
  const reference = schema.$ref;
  if (typeof reference !== 'string') return schema;
  return document.components.schemas[reference.replace('#/components/schemas/', '')];
}

/** Where a JSON value differs from a schema, as paths; empty when it fits. */
export function mismatches(document: OpenApiDocument, schema: Schema, value: unknown, path = '$'): string[] {
  const { type, properties, items, enum: allowed, pattern, required } = resolve(document, schema) ?? {};
  if (allowed !== undefined)
    return (allowed as unknown[]).includes(value) ? [] : [`${path} is not in its enum`];
  switch (type) {
    case 'object': {
      if (typeof value !== 'object' || value === null) return [`${path} is no object`];
      const known = (properties ?? {}) as Record<string, Schema>;
      const missing = ((required ?? []) as string[]).filter((name) => !(name in value));
      return [
        ...missing.map((name) => `${path}.${name} is missing`),
        ...Object.entries(value).flatMap(([name, inner]) =>
          known[name] === undefined
            ? [`${path}.${name} is not described`]
            : mismatches(document, known[name], inner, `${path}.${name}`),
        ),
      ];
    }
    case 'array':
      if (!Array.isArray(value)) return [`${path} is no array`];
      return value.flatMap((inner, i) => mismatches(document, items as Schema, inner, `${path}[${i}]`));
    case 'string':
      if (typeof value !== 'string') return [`${path} is no string`];
      if (typeof pattern === 'string' && !new RegExp(pattern).test(value)) return [`${path} does not match`];
      return [];
    case 'integer':
      return Number.isInteger(value) ? [] : [`${path} is no integer`];
    default:
      return typeof value === type ? [] : [`${path} is no ${String(type)}`];
  }
}
