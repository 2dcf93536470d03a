import { access, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault } from '#lib/fault/fault.ts';
import { type Bundle, loadBundle, MANIFEST_FILE } from './bundle.ts';

export interface CatalogConfig {
  /** Folders that hold bundles, each one level down; a folder that is itself a bundle counts, too. */
  readonly folders: readonly string[];
  /** Name of the bundle that an empty name means. */
  readonly defaultBundle: string;
}

/** The bundles that this process can serve, by name. */
export interface Catalog {
  readonly defaultBundle: Bundle;
  /**
   * The bundle of this name; the empty name means the default.
   *
   * @throws Fault missing BUNDLE_UNKNOWN, which lists the known names
   */
  get(name: string): Bundle;
  /** All bundles, by ascending name. */
  list(): readonly Bundle[];
}

/**
 * Opens every bundle in the folders. One that cannot be opened is an error, never skipped.
 *
 * @throws Fault precondition BUNDLE_FOLDER_UNREADABLE, BUNDLE_NAME_TAKEN, or what `loadBundle` throws; missing
 *   BUNDLE_UNKNOWN when the default is not among them
 */
export async function openCatalog(config: CatalogConfig): Promise<Catalog> {
  const folders = (await Promise.all(config.folders.map(bundleFolders))).flat();
  const bundles = new Map<string, Bundle>();
  for (const bundle of await Promise.all(folders.map(loadBundle))) {
    const { name } = bundle.manifest;
    const other = bundles.get(name);
    if (other !== undefined) {
      const message = `the folders ${other.folder} and ${bundle.folder} both hold a bundle named ${name}; rename one`;
      throw new Fault('precondition', 'BUNDLE_NAME_TAKEN', message);
    }
    bundles.set(name, bundle);
  }
  const sorted = [...bundles.values()].sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1));

  const find = (name: string): Bundle => {
    const bundle = bundles.get(name);
    if (bundle !== undefined) return bundle;
    const known = sorted.map(({ manifest }) => manifest.name).join(', ') || 'none';
    throw new Fault(
      'missing',
      'BUNDLE_UNKNOWN',
      `there is no bundle named ${JSON.stringify(name)}; known: ${known}`,
      {
        violations: [{ field: 'bundle', description: `is unknown; known: ${known}` }],
      },
    );
  };
  const defaultBundle = find(config.defaultBundle);
  return { defaultBundle, get: (name) => (name === '' ? defaultBundle : find(name)), list: () => sorted };
}

async function bundleFolders(folder: string): Promise<string[]> {
  if (await holdsManifest(folder)) return [folder];
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    const message = `the bundle folder ${basename(folder)} cannot be read; check the configured bundle folders`;
    throw new Fault('precondition', 'BUNDLE_FOLDER_UNREADABLE', message, { cause });
  });
  const inside = entries.filter((entry) => !entry.isFile()).map((entry) => join(folder, entry.name));
  const holding = await Promise.all(inside.map(holdsManifest));
  return inside.filter((_, index) => holding[index]);
}

async function holdsManifest(folder: string): Promise<boolean> {
  try {
    await access(join(folder, MANIFEST_FILE));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
