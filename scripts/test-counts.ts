/** How the tests of one runner ended. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The parts of vitest's JSON report (as jest's) that are counted. */
export interface VitestReport {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts a vitest run. A file that fails without a failed test (it does not load, or a hook throws) counts as one
 * failed test, and so does a run that fails otherwise (an unhandled rejection): a red run never reads "0 failed".
 */
export function countVitest(report: VitestReport): TestCounts {
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && !report.success ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Counts a run of Python's unittest from what it printed; undefined when that holds no summary. */
export function countUnittest(output: string): TestCounts | undefined {
  const total = /^Ran (\d+) tests? in /m.exec(output)?.[1];
  const verdict = /^(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$/m.exec(output);
  if (total === undefined || verdict === null) return undefined;
  const parts = new Map((verdict[2] ?? '').split(', ').map((part) => part.split('=') as [string, string]));
  const count = (name: string): number => Number(parts.get(name) ?? 0);
  const failed = count('failures') + count('errors') + count('unexpected successes');
  const skipped = count('skipped');
  return { passed: Math.max(0, Number(total) - failed - skipped), failed, skipped };
}

/** The closing line of a test run: "12 passed, 0 failed", and ", 1 skipped" where there are such. */
export function closingLine(counts: readonly TestCounts[]): string {
  const sum = (pick: (one: TestCounts) => number): number =>
    counts.reduce((total, one) => total + pick(one), 0);
  const skipped = sum((one) => one.skipped);
  const line = `${sum((one) => one.passed)} passed, ${sum((one) => one.failed)} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}
