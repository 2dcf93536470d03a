import { describe, expect, it } from 'vitest';
import { RenderSchema } from '#gen/talkmesh/render/v1/render_pb.ts';
import { CreateRenderRequestSchema } from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { describeRoutes } from './openapi.ts';
import type { Route } from './route.ts';

const ROUTES: Route[] = [
  {
    method: 'POST',
    path: '/v1/renders/:id',
    operation: 'createRender',
    summary: 'Queue a render.',
    authenticated: true,
    parameters: [{ name: 'id', in: 'path', description: 'Id.' }],
    request: { kind: 'message', schema: CreateRenderRequestSchema },
    responses: { 201: { description: 'Queued.', body: { kind: 'message', schema: RenderSchema } } },
    handler: () => new Response(),
  },
  {
    method: 'GET',
    path: '/healthz',
    operation: 'checkHealth',
    summary: 'Alive.',
    authenticated: false,
    request: { kind: 'none' },
    responses: { 204: { description: 'It is.', body: { kind: 'none' } } },
    handler: () => new Response(),
  },
];

describe('describeRoutes', () => {
  const document = JSON.parse(JSON.stringify(describeRoutes(ROUTES, '1.2.3')));

  it('describes each route with its parameters, bodies, problem and security', () => {
    expect(document.paths['/v1/renders/{id}'].post).toMatchObject({
      operationId: 'createRender',
      parameters: [{ name: 'id', in: 'path', required: true }],
      requestBody: {
        content: { 'application/json': { schema: { $ref: '#/components/schemas/CreateRenderRequest' } } },
      },
      responses: {
        201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Render' } } } },
        default: { content: { 'application/problem+json': {} } },
      },
      security: [{ apiKey: [] }],
    });
    expect(document.paths['/healthz'].get.security).toEqual([]);
  });

  it('gives messages their JSON mapping', () => {
    const { properties } = document.components.schemas.Render;
    expect(properties.createTime).toEqual({ type: 'string', format: 'date-time' });
    expect(properties.frameCount.type).toBe('string');
    expect(properties.attemptCount.type).toBe('integer');
    expect(properties.state.enum).toContain('RENDER_STATE_QUEUED');
  });

  it('refers only to schemas that are there', () => {
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name!,
    );
    for (const name of references) expect(document.components.schemas).toHaveProperty(name);
  });
});
