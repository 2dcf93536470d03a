/** Request metadata: text by lower-case name, the same for every binding. */
import { Metadata } from '@grpc/grpc-js';
import { invalidField } from '#lib/fault/fault.ts';

const NAME = /^[a-z0-9_.-]+$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** Names that belong to the transport; they are neither sent nor shown. */
const RESERVED = /^(?:grpc-.*|.*-bin|:.*|content-type|te|user-agent|connection|host)$/;

/** A caller's metadata as a map with lower-case names. Throws METADATA_INVALID for what gRPC cannot carry. */
export function metadataMap(metadata: Readonly<Record<string, string>> = {}): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(metadata)) map.set(name.toLowerCase(), value);
  checkMetadata(map);
  return map;
}

/** Throws METADATA_INVALID when an entry cannot travel as gRPC text metadata. */
export function checkMetadata(map: ReadonlyMap<string, string>): void {
  for (const [name, value] of map) {
    if (!NAME.test(name) || RESERVED.test(name)) {
      throw invalidField(
        'METADATA_INVALID',
        'metadata',
        `"${name}" is not a usable name; use lower-case letters, digits, "-", "_" and ".", and no name of gRPC's own`,
      );
    }
    if (!PRINTABLE.test(value)) {
      throw invalidField('METADATA_INVALID', `metadata.${name}`, 'only printable ASCII can be sent');
    }
  }
}

export function toGrpcMetadata(map: ReadonlyMap<string, string>, waitForReady: boolean): Metadata {
  const metadata = new Metadata({ waitForReady });
  for (const [name, value] of map) metadata.set(name, value);
  return metadata;
}

export function fromGrpcMetadata(metadata: Metadata): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === 'string' && !RESERVED.test(name)) map.set(name, value);
  }
  return map;
}
