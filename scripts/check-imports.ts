import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { isTestFile, type SourceFiles } from './source-files.ts';

/**
 * The import rules of ARCHITECTURE.md, checked on every TypeScript file, type imports included:
 *
 * - `room-direction`: which room may import which. A room is lib/<name>, services/<name> or a top-level folder.
 * - `room-crossing`: inside a room imports are relative; across rooms they go through "#lib/...".
 * - `room-cycle`: the rooms of lib form no cycle.
 * - `package-owner`: packages that a room owns are imported by no other, so that they can be replaced there.
 * - `package-undeclared`: what runs is declared in package.json, under dependencies.
 * - `package-unused`: what is declared there is imported somewhere.
 *
 * Tests obey the rules on rooms, but may use any declared package: to open an image with sharp, say.
 */
export interface ImportViolation {
  readonly rule:
    | 'room-direction'
    | 'room-crossing'
    | 'room-cycle'
    | 'package-owner'
    | 'package-undeclared'
    | 'package-unused';
  readonly file: string;
  readonly message: string;
}

export interface PackageManifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** Top-level folders that each kind of room may import. Folders that are not named here may import all. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  lib: ['lib', 'gen'],
  services: ['lib', 'gen'],
  gateway: ['lib', 'gen'],
  mesh: ['lib', 'gen', 'services', 'gateway', 'package.json'],
};

const OWNERS: readonly { readonly packages: RegExp; readonly rooms: readonly string[] }[] = [
  { packages: /^(@grpc\/|grpc-health-check$)/, rooms: ['lib/rpc'] },
  { packages: /^(nats|@nats-io\/.*)$/, rooms: ['lib/bus'] },
  { packages: /^onnxruntime-/, rooms: ['lib/inference'] },
  { packages: /^(fluent-ffmpeg|sharp)$/, rooms: ['lib/media'] },
  { packages: /^(@opentelemetry\/.*|pino|prom-client)$/, rooms: ['lib/telemetry'] },
  { packages: /^(hono|@hono\/.*)$/, rooms: ['gateway', 'mesh'] },
  { packages: /^(busboy|ws)$/, rooms: ['gateway'] },
  { packages: /^cli-progress$/, rooms: ['mesh'] },
];

/** Folders whose files only developers run; they may use devDependencies and any package. */
const DEVELOPMENT = new Set(['bench', 'scripts', 'test', 'vitest.config.ts']);

const BUILTINS = new Set(builtinModules);

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{}(,])\/\/.*$/gm, '$1');
}

/** Every module specifier that a file imports or re-exports, statically or not. */
export function importsOf(source: string): string[] {
  const text = withoutComments(source);
  const patterns = [
    /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm,
    /\b(?:import|require|import\.meta\.resolve)\(\s*['"]([^'"\n]+)['"]/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]!));
}

/** The room of a path relative to the root: "lib/rpc" for "lib/rpc/serve.ts", "gateway" for "gateway/app.ts". */
export function roomOf(path: string): string {
  const parts = path.split('/');
  const nested = parts[0] === 'lib' || parts[0] === 'services';
  return nested && parts.length > 2 ? `${parts[0]}/${parts[1]}` : parts[0]!;
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function checkRooms(file: string, specifier: string, violations: ImportViolation[]): string | undefined {
  const target = specifier.startsWith('#') ? specifier.slice(1) : normalize(join(dirname(file), specifier));
  const from = roomOf(file);
  const to = roomOf(target);
  if (isTestFile(target) && !isTestFile(file) && !DEVELOPMENT.has(from)) {
    violations.push({ rule: 'room-direction', file, message: `${specifier} is for tests only` });
  }
  if (from === to) {
    if (specifier.startsWith('#')) {
      violations.push({
        rule: 'room-crossing',
        file,
        message: `${specifier} is in the same room; import it relatively`,
      });
    }
    return undefined;
  }
  const folder = to.split('/')[0]!;
  const allowed = ALLOWED[from.split('/')[0]!];
  const sibling = from.startsWith('services/') && to.startsWith('services/');
  if (sibling || (allowed !== undefined && !allowed.includes(folder))) {
    violations.push({ rule: 'room-direction', file, message: `${from} may not import ${to} (${specifier})` });
  } else if (!specifier.startsWith('#') && to !== 'package.json') {
    violations.push({
      rule: 'room-crossing',
      file,
      message: `${specifier} is in another room; import it as #${target}`,
    });
  }
  return to;
}

function checkPackage(
  file: string,
  specifier: string,
  manifest: PackageManifest,
  violations: ImportViolation[],
): void {
  const name = packageOf(specifier);
  if (specifier.startsWith('node:') || BUILTINS.has(name)) return;
  const development = DEVELOPMENT.has(file.split('/')[0]!) || isTestFile(file);
  const declared =
    Object.hasOwn(manifest.dependencies, name) ||
    (development && Object.hasOwn(manifest.devDependencies, name));
  if (!declared) {
    const where = development ? 'package.json' : 'the dependencies of package.json';
    violations.push({ rule: 'package-undeclared', file, message: `${name} is not in ${where}` });
  }
  const owner = OWNERS.find(({ packages }) => packages.test(name));
  if (owner !== undefined && !development && !owner.rooms.includes(roomOf(file))) {
    violations.push({
      rule: 'package-owner',
      file,
      message: `only ${owner.rooms.join(' and ')} may import ${name}`,
    });
  }
}

function findCycle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const finished = new Set<string>();
  const visit = (room: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(room)) return [...trail.slice(trail.indexOf(room)), room];
    if (finished.has(room)) return undefined;
    for (const next of edges.get(room) ?? []) {
      const cycle = visit(next, [...trail, room]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(room);
    return undefined;
  };
  for (const room of edges.keys()) {
    const cycle = visit(room, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Checks `files` (path relative to the root -> text) against every rule. */
export function findImportViolations(files: SourceFiles, manifest: PackageManifest): ImportViolation[] {
  const violations: ImportViolation[] = [];
  const edges = new Map<string, Set<string>>();
  const unused = new Set(Object.keys(manifest.dependencies));
  for (const [file, source] of files) {
    for (const specifier of importsOf(source)) {
      if (!/^[.#]/.test(specifier)) {
        unused.delete(packageOf(specifier));
        checkPackage(file, specifier, manifest, violations);
        continue;
      }
      const to = checkRooms(file, specifier, violations);
      const from = roomOf(file);
      if (to?.startsWith('lib/') && from.startsWith('lib/') && !isTestFile(file)) {
        edges.set(from, (edges.get(from) ?? new Set()).add(to));
      }
    }
  }
  for (const name of unused) {
    violations.push({ rule: 'package-unused', file: 'package.json', message: `no file imports ${name}` });
  }
  const cycle = findCycle(edges);
  if (cycle !== undefined) {
    violations.push({ rule: 'room-cycle', file: cycle[0]!, message: cycle.join(' -> ') });
  }
  return violations;
}
