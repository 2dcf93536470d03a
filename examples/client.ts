/** A client in 20 lines: node examples/client.ts FACE VOICE OUT [http://127.0.0.1:8080] */
import { readFile, writeFile } from 'node:fs/promises';

const [face, voice, out, url = 'http://127.0.0.1:8080'] = process.argv.slice(2);
const call = async (path: string, init?: RequestInit): Promise<Response> => {
  const response = await fetch(url + path, init);
  if (!response.ok) throw new Error(await response.text());
  return response;
};
const upload = async (path: string): Promise<string> =>
  (
    (await (await call('/v1/assets', { method: 'POST', body: await readFile(path) })).json()) as {
      id: string;
    }
  ).id;

const body = JSON.stringify({ sourceAssetId: await upload(face!), voiceAssetId: await upload(voice!) });
const { id } = (await (await call('/v1/renders', { method: 'POST', body })).json()) as { id: string };
// The event stream ends when the render does.
for await (const event of (await call(`/v1/renders/${id}/events`)).body!.pipeThrough(
  new TextDecoderStream(),
)) {
  process.stdout.write(`\r${/"frameCount":"\d+"/.exec(event)?.[0] ?? ''}`);
}
await writeFile(out!, new Uint8Array(await (await call(`/v1/renders/${id}/video`)).arrayBuffer()));
