import { describe, expect, it } from 'vitest';
import { closingLine, countUnittest, countVitest, type VitestReport } from './test-counts.ts';

function report(overrides: Partial<VitestReport>): VitestReport {
  const empty = {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults: [],
  };
  return { success: true, ...empty, ...overrides };
}

describe('countVitest()', () => {
  it('counts passed, failed, skipped and todo', () => {
    const counts = { numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 };
    const testResults = [{ status: 'failed', assertionResults: [{ status: 'failed' }] }];
    expect(countVitest(report({ success: false, ...counts, testResults }))).toEqual({
      passed: 5,
      failed: 2,
      skipped: 2,
    });
  });

  it('counts a file that does not load, and a run that fails beside its tests', () => {
    const broken = [{ status: 'failed', assertionResults: [] }];
    expect(countVitest(report({ success: false, numPassedTests: 3, testResults: broken })).failed).toBe(1);
    expect(countVitest(report({ success: false, numPassedTests: 3 })).failed).toBe(1);
  });
});

describe('countUnittest()', () => {
  // Closing lines as Python 3.11's unittest prints them.
  it.each([
    ['Ran 12 tests in 0.5s\n\nOK\n', { passed: 12, failed: 0, skipped: 0 }],
    ['Ran 1 test in 0.001s\n\nOK (skipped=1)\n', { passed: 0, failed: 0, skipped: 1 }],
    ['Ran 9 tests in 2s\n\nFAILED (failures=2, errors=1, skipped=3)\n', { passed: 3, failed: 3, skipped: 3 }],
    ['Ran 3 tests in 1s\n\nOK (expected failures=1)\n', { passed: 3, failed: 0, skipped: 0 }],
    ['Ran 3 tests in 1s\n\nFAILED (unexpected successes=1)\n', { passed: 2, failed: 1, skipped: 0 }],
  ])('reads %j', (output, counts) => expect(countUnittest(output)).toEqual(counts));

  it('reads nothing from a run that broke before its summary', () => {
    expect(countUnittest('Segmentation fault\n')).toBeUndefined();
  });
});

it('closingLine() adds up every runner', () => {
  const one = { passed: 12, failed: 0, skipped: 0 };
  expect(closingLine([one, { passed: 3, failed: 1, skipped: 0 }])).toBe('15 passed, 1 failed');
  expect(closingLine([one, { passed: 0, failed: 0, skipped: 2 }])).toBe('12 passed, 0 failed, 2 skipped');
});
