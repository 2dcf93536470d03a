/**
 * Everything that must hold before a change lands: `npm run check`. Each check prints one line, and its output
 * when it fails; the tests come last. `npm run check -- types imports` runs only these.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DocumentedProject, findDocumentProblems } from './check-docs.ts';
import { findImportViolations } from './check-imports.ts';
import { findLicenceProblems, type LockFile } from './check-licences.ts';
import { findSourceProblems } from './check-source.ts';
import { readSourceFiles } from './source-files.ts';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as DocumentedProject['manifest'];

/** Problems, one per line; empty when the check holds. */
type Check = () => string[];

function command(program: string, ...args: string[]): Check {
  return () => {
    const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
    if (status === 0) return [];
    return [error?.message, stdout, stderr].filter((text) => text !== undefined && text !== '') as string[];
  };
}

const CHECKS: Readonly<Record<string, Check>> = {
  format: command('biome', 'ci', '--linter-enabled=false', '--max-diagnostics=20', '--colors=off', '.'),
  lint: command(
    'biome',
    'ci',
    '--formatter-enabled=false',
    '--max-diagnostics=40',
    '--error-on-warnings',
    '--colors=off',
    '.',
  ),
  types: command('tsc', '--pretty', 'false'),
  'proto-format': command('buf', 'format', '--diff', '--exit-code', '--exclude-path', 'proto/google'),
  'proto-lint': command('buf', 'lint'),
  'proto-breaking': command('bash', 'scripts/check-breaking.sh'),
  generated: command('bash', 'scripts/check-gen.sh'),
  imports: () =>
    findImportViolations(readSourceFiles(root, '.ts'), manifest).map(
      ({ rule, file, message }) => `${file}: ${rule}: ${message}`,
    ),
  source: () => findSourceProblems(readSourceFiles(root, '.ts')),
  licences: () =>
    findLicenceProblems(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile),
  docs: () => findDocumentProblems(readSourceFiles(root, '.md'), { root, manifest }),
};

function runCheck(name: string, check: Check): boolean {
  const began = performance.now();
  const problems = check();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${name} ${seconds} s`);
  for (const problem of problems) console.log(`${problem.trimEnd()}`);
  return problems.length === 0;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => name !== 'tests' && !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  console.error(
    `no check is called ${unknown.join(', ')}; there are: ${Object.keys(CHECKS).join(', ')}, tests`,
  );
  process.exit(2);
}
const isAsked = (name: string): boolean => asked.length === 0 || asked.includes(name);
const results = Object.entries(CHECKS)
  .filter(([name]) => isAsked(name))
  .map(([name, check]) => runCheck(name, check));
if (results.includes(false)) process.exitCode = 1;
if (isAsked('tests')) {
  const tests = spawnSync(process.execPath, [join(root, 'scripts/run-tests.ts')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (tests.status !== 0) process.exitCode = 1;
}
