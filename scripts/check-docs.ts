import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { PackageManifest } from './check-imports.ts';
import type { SourceFiles } from './source-files.ts';

export interface DocumentedProject {
  /** Where relative links and commands are resolved. */
  readonly root: string;
  readonly manifest: PackageManifest & { readonly scripts: Readonly<Record<string, string>> };
}

const FENCE = /^```(\w*)[^\n]*\n([\s\S]*?)^```/gm;
const LINK = /\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const text = heading.replace(/[`*]/g, '').trim().toLowerCase();
  return text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
}

function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(FENCE, '').matchAll(/^#{1,6} (.+)$/gm)];
  return new Set(headings.map((match) => anchorOf(match[1]!)));
}

function checkLinks(file: string, text: string, documents: SourceFiles, root: string): string[] {
  const problems: string[] = [];
  for (const [, link] of text.replace(FENCE, '').matchAll(LINK)) {
    if (/^[a-z]+:/.test(link!)) continue;
    const [path, anchor] = link!.split('#', 2) as [string, string | undefined];
    const target = path === '' ? file : normalize(join(dirname(file), path));
    if (target.startsWith('..') || !existsSync(join(root, target))) {
      problems.push(`${file}: the link ${link} leads nowhere`);
    } else if (
      anchor !== undefined &&
      target.endsWith('.md') &&
      !anchorsOf(documents.get(target) ?? '').has(anchor)
    ) {
      problems.push(`${file}: ${target} has no heading #${anchor}`);
    }
  }
  return problems;
}

function checkCommand(words: readonly string[], project: DocumentedProject): string | undefined {
  const [program, ...rest] = words;
  if (program === 'npm') {
    const script = rest[0] === 'run' ? rest[1] : rest[0];
    const known =
      script === 'ci' || script === 'install' || Object.hasOwn(project.manifest.scripts, script ?? '');
    return known ? undefined : `package.json has no script ${script}`;
  }
  const file =
    program === 'bash' || program === 'node' || program === 'python3'
      ? rest.find((word) => !word.startsWith('-'))
      : program;
  const isOurs = file !== undefined && (file.startsWith('./') || /^[\w.-]+\/.+\.(sh|ts|py)$/.test(file));
  if (!isOurs) return undefined;
  const path = join(project.root, file);
  if (!existsSync(path)) return `there is no ${file}`;
  const executable = (statSync(path).mode & 0o111) !== 0;
  return file === program && !executable ? `${file} is not executable` : undefined;
}

/** Commands of shell fences: npm scripts must be declared, and files that are run must be there. */
function checkCommands(file: string, text: string, project: DocumentedProject): string[] {
  const problems: string[] = [];
  for (const [, language, body] of text.matchAll(FENCE)) {
    if (language !== 'sh' && language !== 'bash' && language !== 'console') continue;
    for (const line of body!.replace(/\\\n/g, ' ').split(/\n|&&|;|\|/)) {
      const words = line
        .trim()
        .replace(/^\$ /, '')
        .split(/\s+/)
        .filter((word) => !/^[A-Z_]+=/.test(word));
      const problem = words[0] === undefined || words[0] === '' ? undefined : checkCommand(words, project);
      if (problem !== undefined) problems.push(`${file}: "${line.trim()}": ${problem}`);
    }
  }
  return problems;
}

/** Every direct dependency has its row (`| \`name\` | ...`) in DEPENDENCIES.md, and nothing else has. */
function checkDependencyTable(documents: SourceFiles, manifest: PackageManifest): string[] {
  const text = documents.get('DEPENDENCIES.md') ?? '';
  const described = new Set([...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]!));
  const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }));
  return [
    ...[...declared.difference(described)].map((name) => `DEPENDENCIES.md: no row for ${name}`),
    ...[...described.difference(declared)].map((name) => `DEPENDENCIES.md: ${name} is not in package.json`),
  ];
}

/** Links that lead nowhere, commands that do not exist, and dependencies without a stated reason. */
export function findDocumentProblems(documents: SourceFiles, project: DocumentedProject): string[] {
  const problems = [...documents].flatMap(([file, text]) => [
    ...checkLinks(file, text, documents, project.root),
    ...checkCommands(file, text, project),
  ]);
  return [...problems, ...checkDependencyTable(documents, project.manifest)];
}
