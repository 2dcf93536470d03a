/** What may stand in a log line: small facts. Payloads, secrets and personal data are replaced by their size. */
import { isFault } from '#lib/fault/fault.ts';

const MAX_TEXT_CHARACTERS = 2000;
const MAX_ITEMS = 50;
const MAX_DEPTH = 5;

/** Names of fields whose values never reach a log, in lower case and without separators. */
const SECRET_NAMES = [
  'accesskey',
  'apikey',
  'authorization',
  'cookie',
  'credential',
  'password',
  'secret',
  'token',
];
const PERSONAL_NAMES = [
  'audio',
  'filename',
  'image',
  'landmarks',
  'originalname',
  'pcm',
  'pixels',
  'transcript',
];

function isWithheld(key: string): boolean {
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  return SECRET_NAMES.some((secret) => name.includes(secret)) || PERSONAL_NAMES.includes(name);
}

function clip(text: string): string {
  if (text.length <= MAX_TEXT_CHARACTERS) return text;
  return `${text.slice(0, MAX_TEXT_CHARACTERS)}... (${text.length} characters)`;
}

/** An error for the log: a fault's kind and reason, the message, the stack, and the causes beneath. */
function sanitiseError(error: Error, depth: number): Record<string, unknown> {
  const described: Record<string, unknown> = { name: error.name };
  if (isFault(error)) Object.assign(described, { kind: error.kind, reason: error.reason });
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' || typeof code === 'number') described.code = code;
  described.message = clip(error.message);
  if (error.stack !== undefined) described.stack = clip(error.stack);
  if (error.cause !== undefined) described.cause = sanitiseValue(error.cause, depth + 1);
  if (error instanceof AggregateError) described.errors = sanitiseValue(error.errors, depth + 1);
  return described;
}

function sanitiseObject(value: object, depth: number): unknown {
  if (value instanceof Error) return sanitiseError(value, depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value.toJSON();
  if (depth >= MAX_DEPTH) return '[nested too deeply]';
  if (value instanceof Map) return sanitiseObject(Object.fromEntries(value), depth);
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...value];
    const kept = items.slice(0, MAX_ITEMS).map((item) => sanitiseValue(item, depth + 1));
    return items.length > MAX_ITEMS ? [...kept, `... (${items.length} items)`] : kept;
  }
  return sanitiseFields(value as Record<string, unknown>, depth);
}

function sanitiseValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return clip(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  return typeof value === 'object' && value !== null ? sanitiseObject(value, depth) : value;
}

/** The fields of one log line, copied, with what must not be logged replaced. Never throws, never follows a cycle far. */
export function sanitiseFields(
  fields: Readonly<Record<string, unknown>>,
  depth = 0,
): Record<string, unknown> {
  const sanitised: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    sanitised[key] = isWithheld(key) ? '[withheld]' : sanitiseValue(value, depth + 1);
  }
  return sanitised;
}
