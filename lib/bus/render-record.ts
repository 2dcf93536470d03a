/** The record of one render, and how it is stored. */
import { createHash } from 'node:crypto';
import { clone, fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Render, RenderSchema } from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault } from '#lib/fault/fault.ts';

export interface RenderRecord {
  readonly tenant: string;
  /** Read-only; see `changed`. */
  readonly render: Render;
  /** Attempts that count against the limit of attempts: those that crashed or failed. */
  readonly chargedCount: number;
  /** Ascends with every change. */
  readonly revision: number;
}

/** A record whose render has other values in the given fields. */
export function changed(
  record: RenderRecord,
  fields: Partial<Render>,
  chargedCount = record.chargedCount,
): RenderRecord {
  return { ...record, chargedCount, render: Object.assign(clone(RenderSchema, record.render), fields) };
}

export function recordKey(tenant: string, id: string): string {
  return `render.${tenant}.${id}`;
}

export function requestKey(tenant: string, requestId: string): string {
  return `request.${tenant}.${createHash('sha256').update(requestId).digest('hex')}`;
}

export function encodeRecord(record: RenderRecord): JsonValue {
  return { render: toJson(RenderSchema, record.render), chargedCount: record.chargedCount };
}

/** @throws Fault RECORD_CORRUPT */
export function decodeRecord(tenant: string, data: Uint8Array, revision: number): RenderRecord {
  return readable(() => {
    const value = JSON.parse(Buffer.from(data).toString()) as { render: JsonValue; chargedCount: number };
    // A newer version of talkmesh may have written fields that this one does not know.
    const render = fromJson(RenderSchema, value.render, { ignoreUnknownFields: true });
    return { tenant, render, chargedCount: value.chargedCount, revision };
  });
}

/** What a request id stands for. */
export interface Claim {
  readonly id: string;
  readonly bodySha256: string;
}

/** @throws Fault RECORD_CORRUPT */
export function decodeClaim(data: Uint8Array): Claim {
  return readable(() => JSON.parse(Buffer.from(data).toString()) as Claim);
}

function readable<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new Fault('corrupt', 'RECORD_CORRUPT', 'the stored record of the render cannot be read', { cause });
  }
}
