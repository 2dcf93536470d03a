/** The part of package-lock.json that is read. */
export interface LockFile {
  readonly packages: Readonly<Record<string, { readonly license?: string; readonly version?: string }>>;
}

/**
 * Licences under which a dependency may come. LGPL is that of libvips, which sharp loads as a shared library, and
 * MPL that of lightningcss, which only the test runner loads; neither reaches beyond its own files.
 */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'LGPL-3.0-or-later',
  'MIT',
  'MPL-2.0',
  'Unlicense',
]);

/** Packages that state their licence in a form that npm does not copy; each was read in the package itself. */
const STATED_ELSEWHERE: Readonly<Record<string, string>> = {
  async: 'MIT',
  busboy: 'MIT',
  streamsearch: 'MIT',
};

/** Whether every licence of an AND, and one of an OR, is allowed. Expressions here are never nested. */
function isAllowed(expression: string): boolean {
  const plain = expression.replace(/[()]/g, '');
  if (plain.includes(' OR ')) return plain.split(' OR ').some((part) => ALLOWED.has(part));
  return plain.split(' AND ').every((part) => ALLOWED.has(part));
}

/** Packages of the lock file, however deep, whose licence is unknown or not one of those above. */
export function findLicenceProblems(lock: LockFile): string[] {
  return Object.entries(lock.packages).flatMap(([path, { license }]) => {
    const name = path.split('node_modules/').at(-1)!;
    const stated = license ?? STATED_ELSEWHERE[name];
    if (path === '' || (stated !== undefined && isAllowed(stated))) return [];
    return [`${name}: licence ${stated ?? 'not stated'}; read DEPENDENCIES.md before adding it`];
  });
}
