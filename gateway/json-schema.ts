/** JSON Schema (2020-12, as OpenAPI 3.1 uses it) of protobuf messages in their JSON mapping. */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';

export type JsonSchema = Readonly<Record<string, unknown>>;

const WELL_KNOWN: Readonly<Record<string, JsonSchema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: '^-?[0-9]+(\\.[0-9]+)?s$' },
};

/** Name of a message in `components.schemas`. */
export function schemaName(message: DescMessage): string {
  return message.typeName.replace(/^talkmesh\.(\w+)\.v\d+\./, '').replaceAll('.', '');
}

/** A reference to the schema of a message; the message and all it uses are added to `schemas`. */
export function referTo(message: DescMessage, schemas: Map<string, JsonSchema>): JsonSchema {
  const known = WELL_KNOWN[message.typeName];
  if (known !== undefined) return known;
  const name = schemaName(message);
  if (!schemas.has(name)) {
    // Set before the fields are visited, so that a message may hold itself.
    schemas.set(name, {});
    const properties = message.fields.map((field) => [field.jsonName, fieldSchema(field, schemas)] as const);
    schemas.set(name, {
      type: 'object',
      properties: Object.fromEntries(properties),
      additionalProperties: false,
    });
  }
  return { $ref: `#/components/schemas/${name}` };
}

function fieldSchema(field: DescField, schemas: Map<string, JsonSchema>): JsonSchema {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarSchema(field.scalar);
    case 'enum':
      return enumSchema(field.enum);
    case 'message':
      return referTo(field.message, schemas);
    case 'list':
      return { type: 'array', items: elementSchema(field, schemas) };
    case 'map':
      return { type: 'object', additionalProperties: elementSchema(field, schemas) };
  }
}

function elementSchema(
  field: DescField & { fieldKind: 'list' | 'map' },
  schemas: Map<string, JsonSchema>,
): JsonSchema {
  const kind = field.fieldKind === 'list' ? field.listKind : field.mapKind;
  if (kind === 'message') return referTo(field.message!, schemas);
  if (kind === 'enum') return enumSchema(field.enum!);
  return scalarSchema(field.scalar!);
}

function enumSchema(type: DescEnum): JsonSchema {
  return { type: 'string', enum: type.values.map(({ name }) => name) };
}

function scalarSchema(type: ScalarType): JsonSchema {
  switch (type) {
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return { type: 'number' };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      // The JSON mapping writes 64-bit integers as text, which JavaScript's numbers cannot hold.
      return { type: 'string', pattern: '^-?[0-9]+$' };
    default:
      return { type: 'integer' };
  }
}
