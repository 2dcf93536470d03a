/** multipart/form-data as it arrives: each file is handed on as a stream, nothing is kept. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import busboy from 'busboy';
import { type Fault, invalidField, toFault } from '#lib/fault/fault.ts';

export interface MultipartHandlers {
  /** Called for one file at a time; must read the stream to its end or throw. */
  onFile(name: string, mediaType: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  onField(name: string, value: string): void;
}

const MAX_FIELDS = 32;
const MAX_FIELD_BYTES = 16 * 1024;

/** @throws Fault invalid MULTIPART_EXPECTED, MULTIPART_BROKEN, MULTIPART_TOO_MANY, or what a handler throws */
export async function readMultipart(
  request: Request,
  maxFiles: number,
  handlers: MultipartHandlers,
): Promise<void> {
  const contentType = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\b/i.test(contentType) || request.body === null) {
    throw invalidField(
      'MULTIPART_EXPECTED',
      'Content-Type',
      'must be multipart/form-data; curl sends it with -F',
    );
  }
  const limits = { files: maxFiles, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES };
  const parser = createParser(contentType, limits);
  const body = Readable.fromWeb(request.body as ReadableStream<Uint8Array>);
  const { promise: parsed, resolve, reject } = Promise.withResolvers<void>();
  let filesDone: Promise<void> = Promise.resolve();

  const fail = (error: unknown): void => {
    reject(toFault(error));
    body.destroy();
    parser.destroy();
  };
  parser.on('field', (name, value) => {
    try {
      handlers.onField(name, value);
    } catch (error) {
      fail(error);
    }
  });
  parser.on('file', (name, stream, { mimeType }) => {
    // A file that is cut off, or that nobody reads after a failure, says so on its own stream.
    stream.on('error', (error) => fail(broken(error)));
    filesDone = filesDone.then(() => handlers.onFile(name, mimeType, stream));
    filesDone.catch(fail);
  });
  const tooMany = (): void =>
    fail(
      invalidField('MULTIPART_TOO_MANY', 'body', `holds more than ${maxFiles} files or ${MAX_FIELDS} fields`),
    );
  parser.on('filesLimit', tooMany);
  parser.on('fieldsLimit', tooMany);
  parser.on('error', (error) => fail(broken(error)));
  body.on('error', (error) => fail(broken(error)));
  parser.on('close', () => resolve());
  body.pipe(parser);
  await parsed;
  await filesDone;
}

function broken(cause: unknown): Fault {
  return invalidField(
    'MULTIPART_BROKEN',
    'body',
    'is not well-formed multipart/form-data, or ends early',
    cause,
  );
}

function createParser(contentType: string, limits: busboy.Limits): busboy.Busboy {
  try {
    return busboy({ headers: { 'content-type': contentType }, limits });
  } catch (cause) {
    throw invalidField('MULTIPART_BROKEN', 'Content-Type', 'names no multipart boundary', cause);
  }
}
