import { describe, expect, it } from 'vitest';
import { readMultipart } from './multipart.ts';

/** A request whose body is whole: what a form would still produce after a cancel is none of the parser's business. */
async function request(form: FormData | string, contentType?: string): Promise<Request> {
  const encoded = new Response(form);
  const headers = { 'content-type': contentType ?? encoded.headers.get('content-type')! };
  return new Request('http://gateway/v1/talk', {
    method: 'POST',
    body: await encoded.arrayBuffer(),
    headers,
  });
}

async function read(from: Promise<Request>, maxFiles = 2) {
  const files: Record<string, { mediaType: string; size: number }> = {};
  const fields: Record<string, string> = {};
  await readMultipart(await from, maxFiles, {
    async onFile(name, mediaType, bytes) {
      let size = 0;
      for await (const chunk of bytes) size += chunk.byteLength;
      files[name] = { mediaType, size };
    },
    onField(name, value) {
      fields[name] = value;
    },
  });
  return { files, fields };
}

describe('readMultipart', () => {
  it('hands on files one after the other, and fields', async () => {
    const form = new FormData();
    form.set('source', new Blob([new Uint8Array(300_000)], { type: 'image/png' }), '../../etc/passwd');
    form.set('face', '{"seed":"1"}');
    form.set('audio', new Blob([new Uint8Array(10)], { type: 'audio/wav' }), 'a.wav');
    expect(await read(request(form))).toEqual({
      files: {
        source: { mediaType: 'image/png', size: 300_000 },
        audio: { mediaType: 'audio/wav', size: 10 },
      },
      fields: { face: '{"seed":"1"}' },
    });
  });

  it('passes on what a handler throws and reads no further', async () => {
    const form = new FormData();
    form.set('source', new Blob([new Uint8Array(1_000_000)]), 'a');
    const failing = readMultipart(await request(form), 2, {
      onFile: async () => {
        throw new Error('no');
      },
      onField: () => undefined,
    });
    await expect(failing).rejects.toMatchObject({ reason: 'UNEXPECTED' });
  });

  it('refuses other bodies, broken ones and too many files', async () => {
    await expect(read(request('{}', 'application/json'))).rejects.toMatchObject({
      reason: 'MULTIPART_EXPECTED',
    });
    await expect(read(request('x', 'multipart/form-data'))).rejects.toMatchObject({
      reason: 'MULTIPART_BROKEN',
    });
    const cut = '--b\r\nContent-Disposition: form-data; name="source"; filename="a"\r\n\r\nhalf a fi';
    await expect(read(request(cut, 'multipart/form-data; boundary=b'))).rejects.toMatchObject({
      reason: 'MULTIPART_BROKEN',
    });
    const form = new FormData();
    for (const name of ['a', 'b', 'c']) form.set(name, new Blob(['x']), name);
    await expect(read(request(form))).rejects.toMatchObject({ reason: 'MULTIPART_TOO_MANY' });
  });
});
