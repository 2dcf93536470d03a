/** Who may call the gateway, how often and with what; and what it says of itself. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePhoto, makeVoice } from './support/clips.ts';
import { createHttpClient, type HttpClient } from './support/http-client.ts';
import { createFolder, type MeshProcess, startMesh, type TestFolder } from './support/mesh-process.ts';
import { danglingReferences, mismatches, type OpenApiDocument } from './support/openapi.ts';
import { scrape } from './support/prometheus.ts';

const KEYS = { red: 'red-key-0123456789', blue: 'blue-key-0123456789', eager: 'eager-key-0123456789' };
const MAX_UPLOAD_KIB = 512;
const BURST = 60;

let folder: TestFolder;
let mesh: MeshProcess;
let url: string;
let red: HttpClient;
let blue: HttpClient;
let facePath: string;
let face: string;
let voice: string;

beforeAll(async () => {
  folder = await createFolder();
  facePath = await makePhoto(folder.path, 512);
  const voicePath = await makeVoice(folder.path, 1);
  mesh = await startMesh([], {
    TALKMESH_DATA_FOLDER: join(folder.path, 'data'),
    TALKMESH_HTTP_ADDRESS: '127.0.0.1:0',
    TALKMESH_GRPC_ADDRESS: '127.0.0.1:0',
    TALKMESH_API_KEYS: Object.entries(KEYS)
      .map((entry) => entry.join(':'))
      .join(','),
    TALKMESH_CORS_ORIGINS: 'https://studio.example',
    TALKMESH_MAX_UPLOAD: `${MAX_UPLOAD_KIB}KiB`,
    TALKMESH_REQUEST_BURST: String(BURST),
    TALKMESH_REQUESTS_PER_SECOND: '2',
  });
  url = `http://${mesh.addresses.http}`;
  red = createHttpClient(url, KEYS.red);
  blue = createHttpClient(url, KEYS.blue);
  face = await red.upload(facePath);
  voice = await red.upload(voicePath);
});
afterAll(async () => {
  await mesh?.kill('SIGTERM');
  await folder.remove();
});

async function refusal(response: Response): Promise<[number, string]> {
  const { reason } = (await response.json()) as { reason: string };
  return [response.status, reason];
}

describe('the description of the API', () => {
  let document: OpenApiDocument;

  beforeAll(async () => {
    document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument;
  });

  it('is OpenAPI 3.1, refers to nothing that it lacks, and declares every path parameter', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(danglingReferences(document)).toEqual([]);
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const declared = (operation.parameters ?? [])
        .filter((one) => one.in === 'path')
        .map(({ name }) => name);
      expect(declared, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
      expect(operation.responses.default?.content, path).toHaveProperty('application/problem+json');
    }
  });

  it('names every route of the design, and no route is served that it does not name', async () => {
    const described = Object.entries(document.paths)
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
      .sort();
    expect(described).toEqual(
      [
        'POST /v1/assets',
        'GET /v1/assets/{id}',
        'DELETE /v1/assets/{id}',
        'POST /v1/renders',
        'GET /v1/renders',
        'GET /v1/renders/{id}',
        'DELETE /v1/renders/{id}',
        'GET /v1/renders/{id}/events',
        'GET /v1/renders/{id}/video',
        'POST /v1/talk',
        'GET /v1/bundles',
        'GET /healthz',
        'GET /readyz',
        'GET /metrics',
      ].sort(),
    );
    const paths = Object.keys(document.paths);
    for (const path of [...paths, '/v1', '/v1/live', '/v1/render', '/debug']) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        const response = await fetch(url + path.replace('{id}', 'x'), { method });
        const body = await response.text();
        const unknown = response.status === 404 && body.includes('"ROUTE_UNKNOWN"');
        expect(unknown, `${method} ${path}`).toBe(!described.includes(`${method} ${path}`));
      }
    }
  });

  it('is true of the answers', async () => {
    const schemaOf = (path: string, method: string, status: string, mediaType = 'application/json') =>
      document.paths[path]![method]!.responses[status]!.content![mediaType]!.schema;
    const { id } = await red.createRender({ sourceAssetId: face, voiceAssetId: voice });
    const ended = await red.untilEnded(id);
    expect(ended.state).toBe('RENDER_STATE_SUCCEEDED');
    expect(mismatches(document, schemaOf('/v1/renders/{id}', 'get', '200'), ended)).toEqual([]);
    for (const [path, schemaPath] of [
      ['/v1/renders', '/v1/renders'],
      ['/v1/bundles', '/v1/bundles'],
      [`/v1/assets/${face}`, '/v1/assets/{id}'],
    ] as const) {
      const answer = await (await red.request(path)).json();
      expect(mismatches(document, schemaOf(schemaPath, 'get', '200'), answer), path).toEqual([]);
    }
    const problem = await (await fetch(`${url}/v1/renders`)).json();
    const described = schemaOf('/v1/renders', 'get', 'default', 'application/problem+json');
    expect(mismatches(document, described, problem)).toEqual([]);
  });
});

describe('assets', () => {
  it('are named by their content, described, and deleted', async () => {
    const body = await readFile(facePath);
    const upload = await red.request('/v1/assets', {
      method: 'POST',
      body,
      headers: { 'content-type': 'image/jpeg' },
    });
    expect(upload.status).toBe(201);
    expect(await upload.json()).toMatchObject({
      id: face,
      sizeBytes: String(body.length),
      mediaType: 'image/jpeg',
    });
    const doomed = await red.upload(import.meta.filename);
    expect((await red.request(`/v1/assets/${doomed}`)).status).toBe(200);
    expect((await red.request(`/v1/assets/${doomed}`, { method: 'DELETE' })).status).toBe(204);
    expect(await refusal(await red.request(`/v1/assets/${doomed}`))).toEqual([404, 'ASSET_MISSING']);
    const again = await red.request(`/v1/assets/${doomed}`, { method: 'DELETE' });
    expect(await refusal(again)).toEqual([404, 'ASSET_MISSING']);
  });

  it('are neither empty nor over the limit: ASSET_EMPTY, ASSET_TOO_LARGE', async () => {
    const upload = async (size: number): Promise<[number, string]> =>
      refusal(await red.request('/v1/assets', { method: 'POST', body: new Uint8Array(size) }));
    expect(await upload(0)).toEqual([400, 'ASSET_EMPTY']);
    expect(await upload(MAX_UPLOAD_KIB * 1024 + 1)).toEqual([413, 'ASSET_TOO_LARGE']);
    const noBody = await red.request('/v1/assets', { method: 'POST' });
    expect(await refusal(noBody)).toEqual([400, 'ASSET_EMPTY']);
  });

  it.each(['..%2F..%2Fetc%2Fpasswd', 'sha256:..%2F..%2Fx', '%00', `sha256%3A${'g'.repeat(64)}`])(
    'are never paths: %s is refused with ASSET_ID_INVALID',
    async (id) => {
      expect(await refusal(await red.request(`/v1/assets/${id}`))).toEqual([400, 'ASSET_ID_INVALID']);
    },
  );
});

describe('callers', () => {
  it('must name themselves on every route but those of operators: API_KEY_REQUIRED, API_KEY_UNKNOWN', async () => {
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument;
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { security }] of Object.entries(methods)) {
        const init = { method: method.toUpperCase(), ...(method === 'post' ? { body: '{}' } : {}) };
        const response = await fetch(url + path.replace('{id}', '01JZZZZZZZZZZZZZZZZZZZZZZZ'), init);
        const isOpen = security.length === 0;
        expect(response.status === 401, `${method} ${path}`).toBe(!isOpen);
        if (!isOpen) expect(await refusal(response)).toEqual([401, 'API_KEY_REQUIRED']);
      }
    }
    const stranger = createHttpClient(url, 'stranger-key-0123456789');
    expect(await refusal(await stranger.request('/v1/renders'))).toEqual([401, 'API_KEY_UNKNOWN']);
  });

  it('see nothing of each other: assets, renders, events and videos', async () => {
    const { id } = await red.createRender({ sourceAssetId: face, voiceAssetId: voice });
    expect((await red.untilEnded(id)).state).toBe('RENDER_STATE_SUCCEEDED');
    for (const [path, reason] of [
      [`/v1/assets/${face}`, 'ASSET_MISSING'],
      [`/v1/renders/${id}`, 'RENDER_NOT_FOUND'],
      [`/v1/renders/${id}/events`, 'RENDER_NOT_FOUND'],
      [`/v1/renders/${id}/video`, 'VIDEO_NOT_FOUND'],
    ] as const) {
      expect(await refusal(await blue.request(path)), path).toEqual([404, reason]);
      expect((await red.request(path)).status, path).toBe(200);
    }
    const cancel = await blue.request(`/v1/renders/${id}`, { method: 'DELETE' });
    expect(await refusal(cancel)).toEqual([404, 'RENDER_NOT_FOUND']);
    const remove = await blue.request(`/v1/assets/${face}`, { method: 'DELETE' });
    expect(await refusal(remove)).toEqual([404, 'ASSET_MISSING']);
    const body = JSON.stringify({ sourceAssetId: face, voiceAssetId: voice });
    const steal = await blue.request('/v1/renders', { method: 'POST', body });
    expect(await refusal(steal)).toEqual([404, 'ASSET_MISSING']);
    expect(await (await blue.request('/v1/renders')).json()).toMatchObject({ renders: [] });
  });

  it('that send too much are told when to come back: RATE_LIMITED', async () => {
    const eager = createHttpClient(url, KEYS.eager);
    const responses = await Promise.all(
      Array.from({ length: BURST + 20 }, () => eager.request('/v1/renders?pageSize=1')),
    );
    const limited = responses.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThanOrEqual(1);
    expect(responses.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(BURST);
    expect(responses).toHaveLength(limited.length + responses.filter(({ status }) => status === 200).length);
    const waitS = Math.max(...limited.map((response) => Number(response.headers.get('retry-after'))));
    expect(waitS).toBeGreaterThanOrEqual(1);
    expect(await refusal(limited[0]!)).toEqual([429, 'RATE_LIMITED']);
    // The others are not disturbed, and after the time that was named there is room again.
    expect((await red.request('/v1/bundles')).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
    expect((await eager.request('/v1/bundles')).status).toBe(200);
  });

  it('of browsers are let in by origin', async () => {
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${url}/v1/renders`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'range',
        },
      });
    const allowed = await preflight('https://studio.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://studio.example');
    expect(allowed.headers.get('access-control-allow-headers')).toMatch(/authorization/i);
    const refused = await preflight('https://evil.example');
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    const answer = await red.request('/v1/bundles', { headers: { origin: 'https://studio.example' } });
    expect(answer.headers.get('access-control-expose-headers')).toMatch(/location/i);
  });
});

describe('the gateway', () => {
  it('offers its bundles', async () => {
    const { bundles } = (await (await red.request('/v1/bundles')).json()) as { bundles: object[] };
    expect(bundles).toEqual([
      expect.objectContaining({
        name: 'tiny',
        isDefault: true,
        imageSize: 512,
        frameRate: { numerator: 25, denominator: 1 },
        defaultStepCount: 2,
        referenceModes: ['REFERENCE_MODE_SOURCE', 'REFERENCE_MODE_FIXED', 'REFERENCE_MODE_PROGRESSIVE'],
        visibleMarkRequired: true,
      }),
    ]);
  });

  it('is alive, ready, and measured', async () => {
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const { names, sum } = await scrape(url);
    for (const name of ['talkmesh_queue_depth', 'talkmesh_queue_age_seconds', 'talkmesh_active_streams']) {
      expect(names, name).toContain(name);
    }
    expect(sum('talkmesh_rejects_total', { reason: 'API_KEY_REQUIRED' })).toBeGreaterThan(0);
    expect(sum('talkmesh_scrape_failures_total')).toBe(0);
  });

  it('shows the studio page', async () => {
    const page = await fetch(url);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await page.text()).toContain('<title>talkmesh studio</title>');
  });

  it('knows no other route: ROUTE_UNKNOWN', async () => {
    const response = await fetch(`${url}/v2/renders`);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await refusal(response)).toEqual([404, 'ROUTE_UNKNOWN']);
  });

  it('writes neither keys nor files into its log', () => {
    const log = JSON.stringify(mesh.log);
    expect(log).toContain('"up"');
    for (const secret of [...Object.values(KEYS), face.slice(7), voice.slice(7), `${folder.path}/voice`]) {
      expect(log).not.toContain(secret);
    }
  });
});
