import { describe, expect, it } from 'vitest';
import { findImportViolations, importsOf, type PackageManifest, roomOf } from './check-imports.ts';

const MANIFEST: PackageManifest = {
  dependencies: { '@grpc/grpc-js': '1', nats: '1', hono: '1', sharp: '1', '@bufbuild/protobuf': '1' },
  devDependencies: { vitest: '1' },
};
/** Imports each dependency, so that none is reported as unused. */
const USES = Object.keys(MANIFEST.dependencies)
  .map((name) => `import '${name}';`)
  .join('\n');

function check(files: Record<string, string>): string[] {
  const sources = new Map(Object.entries({ ...files, 'test/uses.test.ts': USES }));
  const violations = findImportViolations(sources, MANIFEST);
  return violations.map(({ rule, file, message }) => `${rule} ${file}: ${message}`);
}

describe('importsOf()', () => {
  it('finds static, type, side-effect, re-export and dynamic imports, and require', () => {
    const source = [
      "import a from './a.ts';",
      "import type { B } from './b.ts';",
      "import './c.ts';",
      "import {\n  d,\n  e as f,\n} from './d.ts';",
      "export { g } from './g.ts';",
      "export * from './h.ts';",
      "const i = await import('./i.ts');",
      "const j = require('./j.cjs');",
      'import * as k from "./k.ts";',
      "const url = import.meta.resolve('./l.ts');",
    ].join('\n');
    expect(importsOf(source).sort()).toEqual(
      ['a.ts', 'b.ts', 'c.ts', 'd.ts', 'g.ts', 'h.ts', 'i.ts', 'j.cjs', 'k.ts', 'l.ts'].map(
        (name) => `./${name}`,
      ),
    );
  });

  it('is not misled by comments or by words in text', () => {
    const source = [
      "// import a from './a.ts';",
      "/* import b from './b.ts'; */",
      "const text = 'exported from here';",
      'export const from = 1;',
      "throw new Error('import it from elsewhere');",
      "const url = 'http://host'; import('./c.ts');",
    ].join('\n');
    expect(importsOf(source)).toEqual(['./c.ts']);
  });
});

describe('roomOf()', () => {
  it.each([
    ['lib/rpc/serve.ts', 'lib/rpc'],
    ['lib/rpc/contract/calls.ts', 'lib/rpc'],
    ['services/audio/mel.ts', 'services/audio'],
    ['gateway/studio/page.ts', 'gateway'],
    ['vitest.config.ts', 'vitest.config.ts'],
  ])('%s is in %s', (path, room) => expect(roomOf(path)).toBe(room));
});

describe('findImportViolations()', () => {
  it('accepts what the rules allow', () => {
    const files = {
      'lib/rpc/serve.ts':
        "import { Server } from '@grpc/grpc-js';\nimport { Fault } from '#lib/fault/fault.ts';",
      'lib/fault/fault.ts': "import { x } from '#gen/x_pb.ts';\nimport { readFile } from 'node:fs/promises';",
      'services/audio/service.ts':
        "import { mel } from './mel.ts';\nimport { serve } from '#lib/rpc/serve.ts';",
      'services/audio/mel.test.ts': "import { it } from 'vitest';\nimport sharp from 'sharp';",
      'gateway/app.ts': "import { Hono } from 'hono';",
      'mesh/main.ts':
        "import { s } from '#services/audio/service.ts';\nimport { app } from '#gateway/app.ts';",
      'mesh/version.ts': "import manifest from '../package.json' with { type: 'json' };",
      'test/render.test.ts': "import { main } from '#mesh/main.ts';\nimport { it } from 'vitest';",
    };
    expect(check(files)).toEqual([]);
  });

  it.each([
    ['a service that imports another', 'services/audio/a.ts', '#services/landmark/b.ts', 'room-direction'],
    ['a type import counts, too', 'services/audio/a.ts', '#gateway/app.ts', 'room-direction'],
    ['a service that climbs into another', 'services/audio/a.ts', '../landmark/b.ts', 'room-direction'],
    ['a library that imports a service', 'lib/rpc/a.ts', '#services/audio/b.ts', 'room-direction'],
    ['a library that imports the mesh', 'lib/rpc/a.ts', '#mesh/main.ts', 'room-direction'],
    ['the gateway that imports a service', 'gateway/a.ts', '#services/audio/b.ts', 'room-direction'],
    ['a product file that imports a test', 'mesh/a.ts', '../test/b.ts', 'room-direction'],
    ['a product file that imports test support', 'services/audio/a.ts', './testing/b.ts', 'room-direction'],
    ['a room that is entered by a relative path', 'lib/rpc/a.ts', '../fault/fault.ts', 'room-crossing'],
    ['a room that addresses itself from outside', 'lib/rpc/a.ts', '#lib/rpc/b.ts', 'room-crossing'],
    ["a package that isn't declared", 'gateway/a.ts', 'express', 'package-undeclared'],
    ['a development package in the product', 'gateway/a.ts', 'vitest', 'package-undeclared'],
    ['grpc outside lib/rpc', 'gateway/a.ts', '@grpc/grpc-js', 'package-owner'],
    ['nats outside lib/bus', 'services/compositor/a.ts', 'nats', 'package-owner'],
    ['sharp outside lib/media', 'services/landmark/a.ts', 'sharp', 'package-owner'],
    ['a web framework in a service', 'services/audio/a.ts', 'hono/cors', 'package-owner'],
  ])('finds %s', (_, file, specifier, rule) => {
    expect(check({ [file]: `import type { A } from '${specifier}';` })).toEqual([
      expect.stringMatching(new RegExp(`^${rule} ${file}: `)),
    ]);
  });

  it('finds a circle between rooms of lib, and names it', () => {
    expect(
      check({
        'lib/a/one.ts': "import { b } from '#lib/b/two.ts';",
        'lib/b/two.ts': "import { c } from '#lib/c/three.ts';",
        'lib/c/three.ts': "import { a } from '#lib/a/other.ts';",
      }),
    ).toEqual(['room-cycle lib/a: lib/a -> lib/b -> lib/c -> lib/a']);
  });

  it('finds a dependency that no file imports', () => {
    const files = new Map([['gateway/a.ts', "import { Hono } from 'hono/tiny';"]]);
    const manifest = { dependencies: { hono: '1', 'left-pad': '1' }, devDependencies: { typescript: '7' } };
    expect(findImportViolations(files, manifest)).toEqual([
      { rule: 'package-unused', file: 'package.json', message: 'no file imports left-pad' },
    ]);
  });

  it('does not take a test for a circle', () => {
    expect(
      check({
        'lib/a/one.ts': "import { b } from '#lib/b/two.ts';",
        'lib/b/two.test.ts': "import { a } from '#lib/a/one.ts';",
      }),
    ).toEqual([]);
  });
});
