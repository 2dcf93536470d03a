import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { createLogger, type LoggerConfig } from './logger.ts';
import { continueTrace } from './trace-context.ts';
import { startTracing } from './tracing.ts';

function recording(config: LoggerConfig = {}) {
  const lines: string[] = [];
  const logger = createLogger({ ...config, destination: { write: (line) => void lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

describe('createLogger()', () => {
  it('writes one JSON object per line, with level, time, base and fields', () => {
    const { logger, lines, last } = recording({ base: { service: 'denoiser' } });
    logger.info('bundle loaded', { bundle: 'f8-512', graphs: 7 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\n$/);
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      service: 'denoiser',
      message: 'bundle loaded',
      bundle: 'f8-512',
      graphs: 7,
    });
  });

  it('leaves out what is below its level', () => {
    const { logger, lines } = recording({ level: 'warn' });
    logger.debug('no');
    logger.info('no');
    logger.warn('yes');
    logger.error('yes');
    expect(lines).toHaveLength(2);
  });

  it('adds the fields of a child to each of its lines', () => {
    const { logger, last } = recording();
    logger.child({ renderId: 'r1' }).warn('segment retried', { segment: 3 });
    expect(last()).toMatchObject({ renderId: 'r1', segment: 3 });
  });

  it('keeps its own names: a field called level or message cannot forge them', () => {
    const { logger, lines, last } = recording();
    logger.info('request', { level: 'error', message: 'forged', time: 'never' });
    expect(last()).toMatchObject({ level: 'info', message: 'request', level_: 'error', message_: 'forged' });
    expect(lines[0]?.match(/"(level|message|time)":/g)).toHaveLength(3);
  });

  it('carries the active trace', async () => {
    const tracing = await startTracing({
      otlpTracesUrl: undefined,
      serviceName: 'test',
      serviceVersion: '0',
      onExportFailure: () => undefined,
    });
    const { logger, last } = recording();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    continueTrace(
      (name) => (name === 'traceparent' ? traceparent : undefined),
      () => logger.info('inside'),
    );
    expect(last().traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
    logger.info('outside');
    expect(last()).not.toHaveProperty('traceId');
    await tracing.close();
  });

  it('shows a fault with its kind, reason and the cause that is never sent', () => {
    const { logger, last } = recording();
    const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    logger.error('write failed', {
      error: new Fault('saturated', 'DISK_FULL', 'the disk is full', { cause }),
    });
    expect(last().error).toMatchObject({
      name: 'Fault',
      kind: 'saturated',
      reason: 'DISK_FULL',
      message: 'the disk is full',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { name: 'Error', code: 'ENOSPC', message: 'no space left' },
    });
  });

  it.each([
    'apiKey',
    'API_KEY',
    'authorization',
    'set-cookie',
    'natsToken',
    'password',
    'fileName',
    'transcript',
  ])('withholds the field %s at any depth', (name) => {
    const { logger, lines } = recording();
    logger.info('request', { [name]: 'sensitive', inner: { list: [{ [name]: 'sensitive' }] } });
    expect(lines[0]).not.toContain('sensitive');
    expect(lines[0]?.match(/\[withheld\]/g)).toHaveLength(2);
  });

  it('replaces payloads by their size', () => {
    const { logger, last } = recording();
    logger.info('frame', {
      frame: new Uint8Array(786432),
      samples: new Float32Array(4),
      text: 'x'.repeat(9000),
    });
    expect(last()).toMatchObject({
      frame: '[786432 bytes]',
      samples: '[16 bytes]',
      text: expect.stringMatching(/x{2000}\.\.\. \(9000 characters\)$/),
    });
  });

  it('survives any value: cycles, bigints, maps, huge lists', () => {
    const cycle: Record<string, unknown> = { big: 1n, map: new Map([['a', 1]]), list: new Array(99).fill(0) };
    cycle.self = cycle;
    const { logger, last } = recording();
    logger.info('odd', cycle);
    expect(last()).toMatchObject({ big: '1', map: { a: 1 } });
    expect(last().list).toHaveLength(51);
  });

  it('writes exactly one parseable line whatever is logged', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (message, fields) => {
        const { logger, lines } = recording();
        logger.info(message, fields);
        expect(lines).toHaveLength(1);
        expect(lines[0]?.trimEnd()).not.toContain('\n');
        JSON.parse(lines[0]!);
      }),
    );
  });
});

describe('text format', () => {
  it('reads as one line: time, level, message, fields', () => {
    const { logger, lines } = recording({ format: 'text', base: { service: 'gateway' } });
    logger.warn('slow answer', { route: '/v1/renders', seconds: 2, note: 'two words' });
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d warn {2}slow answer {2}service=gateway route=\/v1\/renders seconds=2 note="two words"\n$/,
    );
  });

  it('puts the stack of an error below the line', () => {
    const { logger, lines } = recording({ format: 'text' });
    logger.error('failed', { error: new Fault('late', 'QUEUE_TIMEOUT', 'too late') });
    const [head, ...stack] = lines[0]!.trimEnd().split('\n');
    expect(head).toContain('QUEUE_TIMEOUT');
    expect(stack[0]).toMatch(/^ {4}Fault: too late/);
  });
});
