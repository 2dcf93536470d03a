import { expect, it } from 'vitest';
import { findLicenceProblems } from './check-licences.ts';

it('findLicenceProblems() looks at every package, however deep', () => {
  const packages = {
    '': { license: 'Proprietary' },
    'node_modules/plain': { license: 'MIT' },
    'node_modules/either': { license: '(GPL-3.0-only OR MIT)' },
    'node_modules/both': { license: 'Apache-2.0 AND LGPL-3.0-or-later' },
    'node_modules/busboy': {},
    'node_modules/@scope/viral': { license: 'AGPL-3.0-only' },
    'node_modules/plain/node_modules/deep': { license: 'MIT AND GPL-3.0-only' },
    'node_modules/silent': {},
  };
  expect(findLicenceProblems({ packages })).toEqual([
    '@scope/viral: licence AGPL-3.0-only; read DEPENDENCIES.md before adding it',
    'deep: licence MIT AND GPL-3.0-only; read DEPENDENCIES.md before adding it',
    'silent: licence not stated; read DEPENDENCIES.md before adding it',
  ]);
});
