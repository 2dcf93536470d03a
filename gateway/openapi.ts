/** The OpenAPI 3.1 document, made from the routes that are served: what is not served cannot be in it. */
import { type JsonSchema, referTo } from './json-schema.ts';
import type { BodyForm, Parameter, Route } from './route.ts';

const PROBLEM: JsonSchema = {
  description: 'What went wrong (RFC 9457).',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'reason'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    reason: { type: 'string', description: 'Stable identifier, such as NO_FACE_FOUND.' },
    metadata: { type: 'object', additionalProperties: { type: 'string' } },
    violations: {
      type: 'array',
      items: {
        type: 'object',
        properties: { field: { type: 'string' }, description: { type: 'string' } },
      },
    },
    retryAfterMs: { type: 'integer' },
    traceId: { type: 'string' },
  },
};

export function describeRoutes(routes: readonly Route[], version: string): JsonSchema {
  const schemas = new Map<string, JsonSchema>([['Problem', PROBLEM]]);
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'talkmesh',
      version,
      description: 'A face and a voice in, a lip-synced talking video out.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: Object.fromEntries(schemas),
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operation(route: Route, schemas: Map<string, JsonSchema>): JsonSchema {
  const responses = Object.entries(route.responses).map(([status, { description, body }]) => {
    const content = contentOf(body, schemas);
    return [status, content === undefined ? { description } : { description, content }];
  });
  const problem = {
    description: 'What went wrong.',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  const requestContent = contentOf(route.request, schemas);
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.parameters === undefined ? {} : { parameters: route.parameters.map(parameter) }),
    ...(requestContent === undefined ? {} : { requestBody: { required: true, content: requestContent } }),
    responses: { ...Object.fromEntries(responses), default: problem },
    security: route.authenticated ? [{ apiKey: [] }] : [],
  };
}

function parameter({ name, in: place, description, integer }: Parameter): JsonSchema {
  const schema = { type: integer === true ? 'integer' : 'string' };
  return { name, in: place, description, required: place === 'path', schema };
}

function contentOf(body: BodyForm, schemas: Map<string, JsonSchema>): JsonSchema | undefined {
  switch (body.kind) {
    case 'none':
      return undefined;
    case 'message':
      return { 'application/json': { schema: referTo(body.schema, schemas) } };
    case 'events':
      return { 'text/event-stream': { schema: referTo(body.schema, schemas) } };
    case 'bytes':
      return { [body.mediaType]: { schema: { description: body.description } } };
    case 'form': {
      const entries = Object.entries(body.fields);
      const properties = entries.map(([name, field]) => [
        name,
        { type: 'string', description: field.description, ...(field.file ? { format: 'binary' } : {}) },
      ]);
      const required = entries.filter(([, field]) => field.required).map(([name]) => name);
      const schema = { type: 'object', properties: Object.fromEntries(properties), required };
      return { 'multipart/form-data': { schema } };
    }
  }
}
