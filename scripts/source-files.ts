import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that hold nothing written by hand. */
const GENERATED = new Set(['.git', '.runtime', '.talkmesh', 'coverage', 'gen', 'node_modules', 'out']);

/** Path relative to the project root (with forward slashes) -> text. */
export type SourceFiles = ReadonlyMap<string, string>;

/** Every hand-written file below `root` whose name ends in `extension` (such as ".ts"), in order of path. */
export function readSourceFiles(root: string, extension: string): SourceFiles {
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!GENERATED.has(entry.name)) visit(path);
      } else if (entry.isFile() && entry.name.endsWith(extension)) {
        files.set(path, readFileSync(join(root, path), 'utf8'));
      }
    }
  };
  visit('');
  return files;
}

/** Tests and what only tests import: x.test.ts, test-x.ts, and what stands in contract/, fixtures/ or testing/. */
export function isTestFile(path: string): boolean {
  return /\.test\.ts$|(^|\/)test-[\w-]+\.ts$|(^|\/)(contract|fixtures|testing)\//.test(path);
}
