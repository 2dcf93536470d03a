import { expect, it } from 'vitest';
import { findSourceProblems } from './check-source.ts';

const lines = (count: number): string => 'x;\n'.repeat(count);

it('findSourceProblems() limits files to 250 lines, and tests to 425', () => {
  const files = { 'a.ts': 250, 'b.ts': 251, 'a.test.ts': 425, 'b.test.ts': 426 };
  const sources = new Map(Object.entries(files).map(([path, count]) => [path, lines(count)]));
  expect(findSourceProblems(sources)).toEqual([
    'b.ts: 251 lines, at most 250; split it by purpose',
    'b.test.ts: 426 lines, at most 425; split it by purpose',
  ]);
});

it('findSourceProblems() finds a name that two files declare', () => {
  const files = new Map([
    [
      'lib/a/clamp.ts',
      'export function clampFrame(): void {}\nexport function clampFrame(x: number): void {}\n',
    ],
    [
      'lib/b/copy.ts',
      'export const clampFrame = 1;\nexport { other } from "./x.ts";\nexport interface Unique {}\n',
    ],
    ['lib/c/use.test.ts', 'export const clampFrame = 2;\n'],
  ]);
  expect(findSourceProblems(files)).toEqual([
    'lib/b/copy.ts: exports clampFrame, as lib/a/clamp.ts does; keep one',
  ]);
});

it('findSourceProblems() lets rooms share general names of one word', () => {
  const files = new Map(['a.ts', 'b.ts'].map((path) => [path, 'export function text(): void {}\n']));
  expect(findSourceProblems(files)).toEqual([]);
});
