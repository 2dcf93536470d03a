import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFault } from '#lib/fault/fault.ts';
import { describeFields, effectiveConfig } from './describe.ts';
import {
  byteSize,
  choice,
  decimal,
  duration,
  flag,
  integer,
  optional,
  text,
  textList,
  url,
} from './field.ts';
import { type Environment, parseConfig } from './parse.ts';

const FIELDS = {
  httpPort: integer({
    key: 'TALKMESH_HTTP_PORT',
    description: 'Port of the gateway.',
    min: 0,
    max: 65535,
    default: 8080,
  }),
  logLevel: choice({
    key: 'TALKMESH_LOG_LEVEL',
    description: 'Least severe level.',
    choices: ['info', 'warn'],
    default: 'info',
  }),
  drainMs: duration({
    key: 'TALKMESH_DRAIN',
    description: 'Time to drain.',
    min: 0,
    max: 3_600_000,
    default: 25_000,
  }),
  maxUploadBytes: byteSize({
    key: 'TALKMESH_MAX_UPLOAD',
    description: 'Largest upload.',
    min: 1024,
    max: 2 ** 40,
    default: 2 ** 28,
  }),
  sampleRatio: decimal({
    key: 'TALKMESH_SAMPLE',
    description: 'Share of traces.',
    min: 0,
    max: 1,
    default: 0.5,
  }),
  mark: flag({ key: 'TALKMESH_MARK', description: 'Visible mark.', default: true }),
  natsUrl: optional(url({ key: 'TALKMESH_NATS_URL', description: 'The bus.', schemes: ['nats', 'tls'] })),
  dataFolder: text({ key: 'TALKMESH_DATA', description: 'Where data lies.' }),
  apiKeys: textList({
    key: 'TALKMESH_API_KEYS',
    description: 'Keys.',
    secret: true,
    default: [],
  }),
};

const MINIMAL = { TALKMESH_DATA: '/var/lib/talkmesh' };

function violationsOf(env: Environment): Record<string, string> {
  try {
    parseConfig(FIELDS, env);
  } catch (error) {
    if (!isFault(error)) throw error;
    expect(error).toMatchObject({ kind: 'invalid', reason: 'CONFIG_INVALID' });
    return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]));
  }
  return {};
}

describe('parseConfig()', () => {
  it('gives defaults where nothing is set; an empty variable counts as not set', () => {
    expect(parseConfig(FIELDS, { ...MINIMAL, TALKMESH_HTTP_PORT: '' })).toEqual({
      httpPort: 8080,
      logLevel: 'info',
      drainMs: 25_000,
      maxUploadBytes: 268_435_456,
      sampleRatio: 0.5,
      mark: true,
      natsUrl: undefined,
      dataFolder: '/var/lib/talkmesh',
      apiKeys: [],
    });
  });

  it('reads typed values', () => {
    const config = parseConfig(FIELDS, {
      ...MINIMAL,
      TALKMESH_HTTP_PORT: '0',
      TALKMESH_LOG_LEVEL: 'warn',
      TALKMESH_DRAIN: '1.5m',
      TALKMESH_MAX_UPLOAD: '64MiB',
      TALKMESH_SAMPLE: '0.25',
      TALKMESH_MARK: 'false',
      TALKMESH_NATS_URL: 'nats://bus:4222',
      TALKMESH_API_KEYS: 'one, two',
      HOME: '/root',
    });
    // The types follow from the fields: this line does not compile if one is lost.
    const level: 'info' | 'warn' = config.logLevel;
    expect({ ...config, level }).toEqual({
      httpPort: 0,
      logLevel: 'warn',
      level: 'warn',
      drainMs: 90_000,
      maxUploadBytes: 67_108_864,
      sampleRatio: 0.25,
      mark: false,
      natsUrl: 'nats://bus:4222',
      dataFolder: '/var/lib/talkmesh',
      apiKeys: ['one', 'two'],
    });
  });

  it('reports everything that is wrong at once, each with its remedy', () => {
    expect(
      violationsOf({
        TALKMESH_HTTP_PORT: '65536',
        TALKMESH_LOG_LEVEL: 'verbose',
        TALKMESH_DRAIN: '30',
        TALKMESH_MAX_UPLOAD: '10MB',
        TALKMESH_SAMPLE: '1.01',
        TALKMESH_MARK: 'yes',
        TALKMESH_NATS_URL: 'http://bus',
      }),
    ).toEqual({
      TALKMESH_HTTP_PORT: '"65536" is not accepted; give an integer from 0 to 65535',
      TALKMESH_LOG_LEVEL: '"verbose" is not accepted; give one of info, warn',
      TALKMESH_DRAIN: '"30" is not accepted; give a number with its unit (ms, s, m, h, d), from 0ms to 1h',
      TALKMESH_MAX_UPLOAD:
        '"10MB" is not accepted; give a number with its unit (B, KiB, MiB, GiB, TiB), from 1KiB to 1TiB',
      TALKMESH_SAMPLE: '"1.01" is not accepted; give a number from 0 to 1',
      TALKMESH_MARK: '"yes" is not accepted; give true or false',
      TALKMESH_NATS_URL: 'the value is not accepted; give a URL that begins with nats:// or tls://',
      TALKMESH_DATA: 'is required; give text',
    });
  });

  it('puts every violation into the message, for the log of a process that refuses to start', () => {
    expect(() => parseConfig(FIELDS, { TALKMESH_MARK: 'yes' })).toThrow(
      'the configuration is not valid:\n  TALKMESH_MARK: "yes" is not accepted; give true or false\n' +
        '  TALKMESH_DATA: is required; give text',
    );
  });

  it.each([
    ['TALKMESH_HTTPPORT', 'is unknown; did you mean TALKMESH_HTTP_PORT?'],
    ['TALKMESH_LOG_LEVLE', 'is unknown; did you mean TALKMESH_LOG_LEVEL?'],
    ['TALKMESH_SOMETHING_ELSE', 'is unknown; remove it'],
  ])('refuses the unknown key %s', (key, description) => {
    expect(violationsOf({ ...MINIMAL, [key]: '1' })).toEqual({ [key]: description });
  });

  it.each([
    ['TALKMESH_GATEWAY_SERVICE_HOST', '10.0.0.7'],
    ['TALKMESH_GATEWAY_PORT', 'tcp://10.0.0.7:80'],
    ['TALKMESH_NATS_PORT_4222_TCP_ADDR', '10.0.0.7'],
  ])('names the cause of the Kubernetes service link %s', (key, value) => {
    expect(violationsOf({ ...MINIMAL, [key]: value })[key]).toContain('enableServiceLinks: false');
  });

  it('accepts each text or reports it; nothing else ever comes out', () => {
    const keys = Object.values(FIELDS).map(({ key }) => key);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), fc.string()), (env) => {
        for (const key of Object.keys(violationsOf(env))) expect(keys).toContain(key);
      }),
    );
  });
});

describe('secrets', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'talkmesh-config-'));
    writeFileSync(join(folder, 'keys'), 'alpha,beta\n');
    writeFileSync(join(folder, 'empty'), '\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('come from a file, as Kubernetes mounts them', () => {
    const config = parseConfig(FIELDS, { ...MINIMAL, TALKMESH_API_KEYS_FILE: join(folder, 'keys') });
    expect(config.apiKeys).toEqual(['alpha', 'beta']);
  });

  it.each([
    ['missing', 'cannot be read (ENOENT)'],
    ['empty', 'is empty'],
  ])('refuse a file that is %s', (file, problem) => {
    const violations = violationsOf({ ...MINIMAL, TALKMESH_API_KEYS_FILE: join(folder, file) });
    expect(violations.TALKMESH_API_KEYS).toBe(`the file that TALKMESH_API_KEYS_FILE names ${problem}`);
  });

  it('refuse two sources', () => {
    const env = { ...MINIMAL, TALKMESH_API_KEYS: 'x', TALKMESH_API_KEYS_FILE: join(folder, 'keys') };
    expect(violationsOf(env).TALKMESH_API_KEYS).toContain('is given twice');
  });

  it('appear neither in errors nor in the effective configuration', () => {
    const fields = {
      pin: integer({ key: 'TALKMESH_PIN', description: 'A secret.', min: 0, max: 9, secret: true }),
      bus: url({ key: 'TALKMESH_NATS_URL', description: 'The bus.', schemes: ['nats'] }),
    };
    expect(() =>
      parseConfig(fields, { TALKMESH_PIN: 'hunter2', TALKMESH_NATS_URL: 'bad://a:hunter2@b' }),
    ).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }));
    const config = parseConfig(fields, {
      TALKMESH_PIN: '7',
      TALKMESH_NATS_URL: 'nats://user:hunter2@bus:4222',
    });
    expect(effectiveConfig(fields, config)).toEqual({
      TALKMESH_PIN: '[withheld]',
      TALKMESH_NATS_URL: 'nats://[withheld]@bus:4222',
    });
  });
});

describe('describeFields()', () => {
  it('lists each key with what it accepts, its unit and its default as text', () => {
    const rows = describeFields(FIELDS);
    expect(rows).toHaveLength(Object.keys(FIELDS).length);
    expect(rows[2]).toEqual({
      key: 'TALKMESH_DRAIN',
      description: 'Time to drain.',
      accepts: 'a number with its unit (ms, s, m, h, d), from 0ms to 1h',
      unit: 'ms',
      secret: false,
      default: '25s',
    });
    expect(rows.find(({ key }) => key === 'TALKMESH_DATA')?.default).toBeUndefined();
    expect(rows.find(({ key }) => key === 'TALKMESH_NATS_URL')?.default).toBe('');
  });

  it('shows values in a form that reads back to the same value', () => {
    const config = parseConfig(FIELDS, { ...MINIMAL, TALKMESH_DRAIN: '90s', TALKMESH_MAX_UPLOAD: '1536KiB' });
    const { TALKMESH_API_KEYS: keys, ...shown } = effectiveConfig(FIELDS, config);
    expect(keys).toBe('[withheld]');
    expect(parseConfig(FIELDS, shown)).toEqual(config);
  });
});

describe('textList()', () => {
  const fields = {
    origins: textList({
      key: 'TALKMESH_CORS',
      description: 'Origins.',
      pattern: /^https?:\/\//,
      accepts: 'an origin such as https://example.org',
      default: [],
    }),
  };

  it('reads one or several values', () => {
    expect(parseConfig(fields, { TALKMESH_CORS: 'https://a.example , http://b.example' }).origins).toEqual([
      'https://a.example',
      'http://b.example',
    ]);
  });

  it.each(['a.example', 'https://a.example,', ','])('refuses %j', (value) => {
    expect(() => parseConfig(fields, { TALKMESH_CORS: value })).toThrow(
      'is not accepted; give an origin such as https://example.org; several are separated by commas',
    );
  });
});
