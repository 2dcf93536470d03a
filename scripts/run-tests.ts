/**
 * Runs every test: vitest over the TypeScript, unittest over training/ where Python has its packages. With
 * arguments, only vitest, with these (`npm test -- lib/config`). The last line counts the tests of both.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSourceFiles } from './source-files.ts';
import {
  closingLine,
  countUnittest,
  countVitest,
  type TestCounts,
  type VitestReport,
} from './test-counts.ts';

const root = join(import.meta.dirname, '..');

/** Runs a program, shows what it prints, and resolves with the status and that output. */
function run(
  program: string,
  args: readonly string[],
  cwd = root,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const show = (target: NodeJS.WriteStream) => (chunk: Buffer) => {
      output += chunk.toString();
      target.write(chunk);
    };
    child.stdout.on('data', show(process.stdout));
    child.stderr.on('data', show(process.stderr));
    child.on('error', reject);
    child.on('close', (code) => resolve({ status: code ?? 1, output }));
  });
}

async function runVitest(args: readonly string[]): Promise<TestCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'talkmesh-tests-'));
  try {
    const reportFile = join(folder, 'report.json');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const options = [
      '--allowOnly=false',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
    ];
    const { status } = await run(process.execPath, [vitest, 'run', ...options, ...args]);
    // No report: vitest did not get as far as its tests.
    if (!existsSync(reportFile)) return { passed: 0, failed: 1, skipped: 0 };
    const counts = countVitest(JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport);
    if (status !== 0 && counts.failed === 0) return { ...counts, failed: 1 };
    return counts;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runUnittest(): Promise<TestCounts> {
  const tests = [...readSourceFiles(join(root, 'training'), '.py')].filter(([path]) =>
    /(^|\/)test_\w+\.py$/.test(path),
  );
  if (tests.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  const declared = tests.reduce((sum, [, text]) => sum + (text.match(/^\s+def test_/gm)?.length ?? 0), 0);
  const python = ['/usr/bin/python3', 'python3'].find(
    (candidate) => spawnSync(candidate, ['-c', 'import numpy, torch, cv2, scipy']).status === 0,
  );
  if (python === undefined) {
    console.log(
      `training: ${declared} tests skipped: no python3 with numpy, torch, cv2 and scipy on this machine`,
    );
    return { passed: 0, failed: 0, skipped: declared };
  }
  const files = tests.map(([path]) => path);
  const { status, output } = await run(python, ['-m', 'unittest', ...files], join(root, 'training'));
  const counts = countUnittest(output);
  if (counts === undefined || (status !== 0 && counts.failed === 0)) {
    return { passed: counts?.passed ?? 0, failed: 1, skipped: counts?.skipped ?? 0 };
  }
  return counts;
}

const args = process.argv.slice(2);
const counts = [await runVitest(args)];
if (args.length === 0) counts.push(await runUnittest());
console.log(`\n${closingLine(counts)}`);
if (counts.some(({ failed }) => failed > 0)) process.exitCode = 1;
