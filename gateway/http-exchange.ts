/** What every HTTP route does alike: name the caller, read JSON, write messages and problems. */
import { type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import type { Context } from 'hono';
import { Fault, invalidField, toFault } from '#lib/fault/fault.ts';
import { problemOf } from '#lib/fault/problem.ts';
import { currentTraceId } from '#lib/telemetry/trace-context.ts';

/** How a request calls RenderService: with its abort signal, and its Authorization header as metadata. */
export function callOptions(c: Context): { signal: AbortSignal; metadata: Record<string, string> } {
  const authorization = c.req.header('authorization');
  return { signal: c.req.raw.signal, metadata: authorization === undefined ? {} : { authorization } };
}

/**
 * The JSON body as a message.
 *
 * @throws Fault invalid BODY_TOO_LARGE, BODY_NOT_JSON, BODY_INVALID
 */
export async function readBody<D extends DescMessage>(
  c: Context,
  schema: D,
  maxBytes: number,
): Promise<MessageShape<D>> {
  const text = await readText(c.req.raw, maxBytes);
  let json: JsonValue;
  try {
    json = text === '' ? {} : (JSON.parse(text) as JsonValue);
  } catch (cause) {
    throw invalidField('BODY_NOT_JSON', 'body', 'is not JSON', cause);
  }
  return messageFromJson(schema, json);
}

export function messageFromJson<D extends DescMessage>(schema: D, json: JsonValue): MessageShape<D> {
  try {
    return fromJson(schema, json);
  } catch (cause) {
    // The library's text names the field and what was expected, and quotes the offending value, which is the caller's own.
    const what = cause instanceof Error ? cause.message : 'does not fit';
    throw invalidField('BODY_INVALID', 'body', `${what}; /openapi.json describes ${schema.name}`, cause);
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      throw invalidField('BODY_TOO_LARGE', 'body', `is larger than ${maxBytes} bytes, the limit for JSON`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function writeMessage<D extends DescMessage>(
  c: Context,
  schema: D,
  message: MessageShape<D>,
  status: 200 | 201 | 202 = 200,
): Response {
  return c.json(toJson(schema, message, { alwaysEmitImplicit: true }), status);
}

/** Statuses that HTTP has for a reason, where the fault's kind knows only a broader one. */
const EXACT_STATUS: Readonly<Record<string, number>> = {
  BODY_TOO_LARGE: 413,
  ASSET_TOO_LARGE: 413,
  RANGE_UNSATISFIABLE: 416,
  ROUTE_UNKNOWN: 404,
  METHOD_NOT_ALLOWED: 405,
};

export function writeProblem(c: Context, error: unknown): Response {
  const fault = toFault(error);
  const status = EXACT_STATUS[fault.reason];
  const traceId = currentTraceId();
  const problem = problemOf(fault, {
    instance: c.req.path,
    ...(status === undefined ? {} : { status }),
    ...(traceId === undefined ? {} : { traceId }),
  });
  return new Response(JSON.stringify(problem.body), { status: problem.status, headers: problem.headers });
}

/** A path parameter that the route's pattern guarantees. */
export function pathParameter(c: Context, name: string): string {
  const value = c.req.param(name);
  if (value === undefined) throw new Fault('internal', 'ROUTE_BROKEN', `the route has no parameter ${name}`);
  return value;
}
