import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { abortFault, Fault } from '#lib/fault/fault.ts';
import { type BundleManifest, GRAPH_NAMES, type GraphName, type GraphSpec } from './manifest.ts';
import { parseManifest } from './manifest-parser.ts';

/** The file in a bundle's folder that makes it a bundle. */
export const MANIFEST_FILE = 'bundle.json';

/** A model bundle on disk: a checked manifest and where its graphs are. */
export interface Bundle {
  /** Absolute or relative folder, as it was opened. */
  readonly folder: string;
  readonly manifest: BundleManifest;
  /** SHA-256 of `bundle.json`, lower-case hexadecimal; it covers the graphs through their checksums. */
  readonly manifestSha256: string;
  /**
   * The declared graph and the path of its file.
   *
   * @throws Fault precondition BUNDLE_GRAPH_ABSENT when the manifest declares no such graph
   */
  graph(name: GraphName): { readonly path: string; readonly spec: GraphSpec };
  /**
   * Reads every graph and compares its checksum, without loading it. A runtime checks again on its own what it
   * loads, so this is for inspection.
   *
   * @throws Fault corrupt BUNDLE_CHECKSUM_MISMATCH, precondition BUNDLE_GRAPH_UNREADABLE
   */
  verify(signal?: AbortSignal): Promise<void>;
}

/**
 * Opens the bundle in a folder: reads and checks its manifest. Graphs are checked when they are loaded.
 *
 * @throws Fault precondition BUNDLE_MANIFEST_UNREADABLE, BUNDLE_MANIFEST_INVALID
 */
export async function loadBundle(folder: string): Promise<Bundle> {
  const origin = basename(folder);
  const bytes = await readFile(join(folder, MANIFEST_FILE)).catch((cause: unknown) => {
    const message = `the bundle ${origin} has no readable ${MANIFEST_FILE}; a bundle is a folder that holds one`;
    throw new Fault('precondition', 'BUNDLE_MANIFEST_UNREADABLE', message, { cause });
  });
  const manifest = parseManifest(parseJson(bytes.toString('utf8'), origin), origin);

  const graph: Bundle['graph'] = (name) => {
    const spec = manifest.graphs[name];
    if (spec !== undefined) return { path: join(folder, spec.file), spec };
    const declared = Object.keys(manifest.graphs).join(', ');
    const message = `the bundle ${manifest.name} has no graph ${name}; it declares ${declared}`;
    throw new Fault('precondition', 'BUNDLE_GRAPH_ABSENT', message);
  };

  return {
    folder,
    manifest,
    manifestSha256: createHash('sha256').update(bytes).digest('hex'),
    graph,
    async verify(signal) {
      for (const name of GRAPH_NAMES) {
        if (manifest.graphs[name] === undefined) continue;
        const { path, spec } = graph(name);
        const hash = createHash('sha256');
        try {
          for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal }))
            hash.update(chunk);
        } catch (cause) {
          if (signal?.aborted) throw abortFault(signal);
          throw graphUnreadable(manifest.name, spec.file, cause);
        }
        checkChecksum(manifest.name, spec, hash.digest('hex'));
      }
    },
  };
}

/** @throws Fault corrupt BUNDLE_CHECKSUM_MISMATCH unless the checksum is the declared one */
export function checkChecksum(bundle: string, spec: GraphSpec, actual: string): void {
  if (actual === spec.sha256) return;
  const message =
    `the file ${spec.file} of the bundle ${bundle} is not the one its manifest names: expected sha256 ${spec.sha256}, ` +
    `actual ${actual}; fetch or export the bundle again`;
  const metadata = { bundle, file: spec.file, expected: spec.sha256, actual };
  throw new Fault('corrupt', 'BUNDLE_CHECKSUM_MISMATCH', message, { metadata });
}

/** The fault of a graph file that cannot be read. */
export function graphUnreadable(bundle: string, file: string, cause: unknown): Fault {
  const message = `the file ${file} of the bundle ${bundle} cannot be read`;
  return new Fault('precondition', 'BUNDLE_GRAPH_UNREADABLE', message, { metadata: { bundle, file }, cause });
}

function parseJson(json: string, origin: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const message = `bundle.json of ${origin}: is not JSON`;
    throw new Fault('precondition', 'BUNDLE_MANIFEST_INVALID', message, { cause });
  }
}
