import { isTestFile, type SourceFiles } from './source-files.ts';

/** A file beyond this many lines has more than one purpose. Tests may be longer: their cases are independent. */
const MAX_LINES = 250;
const MAX_TEST_LINES = 425;

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type) (\w+)/gm;

/** Files that are too long, and exported names that are declared in more than one file: one of them is a copy. */
export function findSourceProblems(files: SourceFiles): string[] {
  const problems: string[] = [];
  const declaredIn = new Map<string, string>();
  for (const [file, source] of files) {
    const isTest = isTestFile(file);
    const lines = source.split('\n').length - 1;
    const limit = isTest ? MAX_TEST_LINES : MAX_LINES;
    if (lines > limit) problems.push(`${file}: ${lines} lines, at most ${limit}; split it by purpose`);
    if (isTest) continue;
    // Overloads repeat a name inside one file; a name of one word is too general to tell a copy.
    const names = [...source.matchAll(DECLARATION)].map((match) => match[1]!);
    for (const name of new Set(names.filter((one) => /[a-z][A-Z_]/.test(one)))) {
      const first = declaredIn.get(name);
      if (first === undefined) declaredIn.set(name, file);
      else problems.push(`${file}: exports ${name}, as ${first} does; keep one`);
    }
  }
  return problems;
}
