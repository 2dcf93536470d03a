import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DocumentedProject, findDocumentProblems } from './check-docs.ts';

let project: DocumentedProject;
beforeAll(() => {
  const root = mkdtempSync(join(tmpdir(), 'talkmesh-docs-'));
  mkdirSync(join(root, 'scripts'));
  for (const file of ['README.md', 'GUIDE.md', 'talkmesh', 'notes.txt', 'scripts/setup.sh']) {
    writeFileSync(join(root, file), '');
  }
  chmodSync(join(root, 'talkmesh'), 0o755);
  project = {
    root,
    manifest: { dependencies: { hono: '1' }, devDependencies: { vitest: '1' }, scripts: { demo: '' } },
  };
});
afterAll(() => rmSync(project.root, { recursive: true }));

const TABLE = '| package | why |\n|---|---|\n| `hono` | routes |\n| `vitest` | tests |\n';

function check(readme: string, others: Record<string, string> = {}): string[] {
  const documents = new Map(Object.entries({ 'README.md': readme, 'DEPENDENCIES.md': TABLE, ...others }));
  return findDocumentProblems(documents, project);
}

describe('findDocumentProblems()', () => {
  it('accepts links to files, headings and the web', () => {
    const readme =
      '# One\n[guide](GUIDE.md#two-words--more) [own](#one) [web](https://example.org/x) [text](notes.txt)\n';
    expect(check(readme, { 'GUIDE.md': '## `Two` words & more\n' })).toEqual([]);
  });

  it('finds links that lead nowhere, out of the project, or to no heading', () => {
    const readme = '[a](missing.md) [b](../outside.md) [c](GUIDE.md#nothing) [d](#none)\n';
    expect(check(readme, { 'GUIDE.md': '# Something\n' })).toEqual([
      'README.md: the link missing.md leads nowhere',
      'README.md: the link ../outside.md leads nowhere',
      'README.md: GUIDE.md has no heading #nothing',
      'README.md: README.md has no heading #none',
    ]);
  });

  it('accepts commands that exist, whatever else stands in the fence', () => {
    const readme =
      '```sh\nnpm run demo && ./talkmesh up\nFOO=1 bash scripts/setup.sh --runtimes\ncurl -s localhost:8080/healthz\nnpm ci\n```\n';
    expect(check(readme)).toEqual([]);
  });

  it('finds commands that do not exist or cannot be run', () => {
    const readme = '```sh\nnpm run missing\n$ ./absent up\nbash scripts/absent.sh\n./notes.txt\n```\n';
    expect(check(readme)).toEqual([
      'README.md: "npm run missing": package.json has no script missing',
      'README.md: "$ ./absent up": there is no ./absent',
      'README.md: "bash scripts/absent.sh": there is no scripts/absent.sh',
      'README.md: "./notes.txt": ./notes.txt is not executable',
    ]);
  });

  it('holds the list of dependencies to package.json, both ways', () => {
    expect(check('', { 'DEPENDENCIES.md': '| `hono` | routes |\n| `left-pad` | pads |\n' })).toEqual([
      'DEPENDENCIES.md: no row for vitest',
      'DEPENDENCIES.md: left-pad is not in package.json',
    ]);
  });
});
