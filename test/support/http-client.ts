/** What a caller does over HTTP. */
import { readFile } from 'node:fs/promises';

export interface RenderJson {
  readonly id: string;
  readonly state: string;
  readonly frameCount: string;
  readonly attemptCount: number;
  readonly updateTime: string;
  readonly error?: {
    readonly reason: string;
    readonly message: string;
    readonly field: string;
    readonly traceId: string;
  };
  readonly result?: { readonly sha256: string; readonly sizeBytes: string };
}

export interface HttpClient {
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Uploads a file and gives its asset id. */
  upload(path: string): Promise<string>;
  createRender(body: object, headers?: Record<string, string>): Promise<RenderJson>;
  /** Follows the events of a render to its end. */
  untilEnded(id: string, onEvent?: (render: RenderJson) => void): Promise<RenderJson>;
  video(id: string): Promise<Uint8Array>;
}

export function createHttpClient(url: string, key?: string): HttpClient {
  const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, {
      ...init,
      headers: { ...authorization, ...(init.headers as Record<string, string>) },
    });

  async function ok(response: Response): Promise<Response> {
    if (response.ok) return response;
    throw new Error(`${response.status}: ${await response.text()}`);
  }

  return {
    request,
    async upload(path) {
      const response = await ok(await request('/v1/assets', { method: 'POST', body: await readFile(path) }));
      return ((await response.json()) as { id: string }).id;
    },
    async createRender(body, headers = {}) {
      const init = { method: 'POST', body: JSON.stringify(body), headers };
      return (await (await ok(await request('/v1/renders', init))).json()) as RenderJson;
    },
    async untilEnded(id, onEvent) {
      for (let lastEventId = '0'; ; ) {
        try {
          const response = await ok(
            await request(`/v1/renders/${id}/events`, { headers: { 'last-event-id': lastEventId } }),
          );
          for await (const event of readEvents(response)) {
            lastEventId = event.id;
            onEvent?.(event.render);
            if (/SUCCEEDED|FAILED|CANCELLED/.test(event.render.state)) return event.render;
          }
        } catch (error) {
          // The gateway was killed: go on after the last event once it is back. Anything else is a failure.
          if (!(error instanceof TypeError)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
    async video(id) {
      return new Uint8Array(await (await ok(await request(`/v1/renders/${id}/video`))).arrayBuffer());
    },
  };
}

async function* readEvents(response: Response): AsyncGenerator<{ id: string; render: RenderJson }> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s)));
      if (fields.data !== undefined) yield { id: fields.id!, render: JSON.parse(fields.data) as RenderJson };
    }
  }
}
