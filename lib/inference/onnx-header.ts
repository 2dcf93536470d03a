import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** The fields of ModelProto and OperatorSetIdProto that are read (onnx.proto). */
const MODEL_OPSET_IMPORT = 8;
const OPSET_DOMAIN = 1;
const OPSET_VERSION = 2;

/** The versions of the operator sets that a model imports, by domain; the default ONNX domain is ''. */
export type OpsetImports = ReadonlyMap<string, number>;

/**
 * Reads which operator sets an ONNX model imports, without parsing its graph.
 *
 * @throws Error when the bytes are not a protobuf message
 */
export function readOpsetImports(model: Uint8Array): OpsetImports {
  const imports = new Map<string, number>();
  const reader = new BinaryReader(model);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === MODEL_OPSET_IMPORT && wireType === WireType.LengthDelimited) {
      const { domain, version } = readOpset(reader.bytes());
      imports.set(domain === 'ai.onnx' ? '' : domain, version);
    } else {
      reader.skip(wireType, field);
    }
  }
  return imports;
}

function readOpset(bytes: Uint8Array): { readonly domain: string; readonly version: number } {
  const reader = new BinaryReader(bytes);
  let domain = '';
  let version = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === OPSET_DOMAIN) domain = reader.string();
    else if (field === OPSET_VERSION) version = Number(reader.int64());
    else reader.skip(wireType, field);
  }
  return { domain, version };
}
