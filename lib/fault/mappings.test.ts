import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dispositionOf } from './disposition.ts';
import { Fault } from './fault.ts';
import { faultOfGrpcStatus, grpcStatusOf, STATUS_DETAILS_MAX_BYTES } from './grpc-status.ts';
import { FAULT_KINDS, type FaultKind, kindOfGrpcStatus } from './kinds.ts';
import { problemOf } from './problem.ts';

const kinds = Object.keys(FAULT_KINDS) as FaultKind[];

describe('the table of kinds', () => {
  // google/rpc/code.proto: the number of each code, and the HTTP mapping in its comment.
  it.for([
    ['invalid', 3, 400, 'term'],
    ['precondition', 9, 400, 'term'],
    ['range', 11, 400, 'term'],
    ['unauthenticated', 16, 401, 'term'],
    ['denied', 7, 403, 'term'],
    ['missing', 5, 404, 'term'],
    ['conflict', 6, 409, 'term'],
    ['superseded', 10, 409, 'nak'],
    ['saturated', 8, 429, 'nak'],
    ['cancelled', 1, 499, 'term'],
    ['late', 4, 504, 'nak'],
    ['unavailable', 14, 503, 'nak'],
    ['unsupported', 12, 501, 'term'],
    ['internal', 13, 500, 'term'],
    ['corrupt', 15, 500, 'term'],
  ] as const)('maps %s to gRPC %i, HTTP %i and %s', ([kind, grpc, http, bus]) => {
    expect(FAULT_KINDS[kind]).toMatchObject({ grpc, http, bus });
  });

  it('gives each kind a gRPC code of its own, and back', () => {
    for (const kind of kinds) expect(kindOfGrpcStatus(FAULT_KINDS[kind].grpc)).toBe(kind);
    for (const code of [0, 2, 17, 10_059, -1, Number.NaN]) expect(kindOfGrpcStatus(code)).toBe('internal');
  });
});

describe('gRPC status', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const arbitraryFault = fc
    .record({
      kind: fc.constantFrom(...kinds),
      reason: fc.stringMatching(/^[A-Z][A-Z0-9_]{0,62}$/),
      message: text,
      violations: fc.array(fc.record({ field: text, description: text }), { maxLength: 5 }),
      metadata: fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/), text, { maxKeys: 5 }),
      retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
    })
    .map(({ kind, reason, message, ...details }) => new Fault(kind, reason, message, details));

  it('carries any fault there and back, without its cause', () => {
    fc.assert(
      fc.property(arbitraryFault, (fault) => {
        const back = faultOfGrpcStatus(grpcStatusOf(fault));
        expect(back).toMatchObject({
          kind: fault.kind,
          reason: fault.reason,
          message: fault.message,
          violations: fault.violations,
          metadata: { ...fault.metadata },
          retryAfterMs: fault.retryAfterMs,
          fromWire: true,
        });
        expect(back.cause).toBeUndefined();
      }),
    );
  });

  it('stays within what trailers can carry, and says how many violations it left out', () => {
    const violations = Array.from({ length: 1000 }, () => ({ field: 'f', description: 'd'.repeat(50) }));
    const status = grpcStatusOf(new Fault('invalid', 'X', 'm'.repeat(9999), { violations }));
    expect(status.detailsBin.length).toBeLessThanOrEqual(STATUS_DETAILS_MAX_BYTES);
    expect(status.message.length).toBe(1024);
    const back = faultOfGrpcStatus(status);
    expect(back.violations.length + Number(back.metadata.violationsOmitted)).toBe(1000);
    expect(back.violations.length).toBeGreaterThan(10);
  });

  it('reads any bytes as details without failing', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.string(),
        fc.uint8Array({ maxLength: 200 }),
        (code, message, detailsBin) => {
          expect(faultOfGrpcStatus({ code, message, detailsBin })).toMatchObject({ fromWire: true });
        },
      ),
    );
  });

  it('does not repeat the text of a server that is not ours', () => {
    const fault = faultOfGrpcStatus({ code: 14, message: 'connect ECONNREFUSED 10.0.0.7:50051' });
    expect(fault).toMatchObject({ kind: 'unavailable', reason: 'UNAVAILABLE', fromWire: true });
    expect(fault.message).toBe('the service cannot be reached');
    expect(String(fault.cause)).toContain('10.0.0.7');
  });
});

describe('problemOf()', () => {
  it('is an RFC 9457 body with a stable type for each reason', () => {
    const fault = new Fault('invalid', 'SAMPLE_RATE_UNSUPPORTED', 'audio: 96 kHz is too high', {
      violations: [{ field: 'audio', description: '96 kHz is too high' }],
      metadata: { limitHz: '48000' },
      cause: new Error('secret'),
    });
    const problem = problemOf(fault, { instance: '/v1/renders/7', traceId: 'abc' });
    expect(problem).toEqual({
      status: 400,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        type: 'https://talkmesh.dev/faults/SAMPLE_RATE_UNSUPPORTED',
        title: 'Invalid request',
        status: 400,
        detail: 'audio: 96 kHz is too high',
        instance: '/v1/renders/7',
        reason: 'SAMPLE_RATE_UNSUPPORTED',
        metadata: { limitHz: '48000' },
        violations: [{ field: 'audio', description: '96 kHz is too high' }],
        traceId: 'abc',
      },
    });
  });

  it('says when to come back with 429 and 503, in whole seconds', () => {
    const full = problemOf(new Fault('saturated', 'QUEUE_FULL', 'x', { retryAfterMs: 1500 }));
    expect(full.status).toBe(429);
    expect(full.headers['retry-after']).toBe('2');
    expect(full.body.retryAfterMs).toBe(1500);
    const loading = problemOf(new Fault('unavailable', 'MODEL_LOADING', 'x'));
    expect(loading.headers['retry-after']).toBe('1');
    expect('retryAfterMs' in loading.body).toBe(false);
    expect(problemOf(new Fault('late', 'X', 'x')).headers).not.toHaveProperty('retry-after');
  });

  it('takes a more exact status', () => {
    const problem = problemOf(new Fault('invalid', 'UPLOAD_TOO_LARGE', 'x'), { status: 413 });
    expect([problem.status, problem.body.status]).toEqual([413, 413]);
  });
});

describe('dispositionOf()', () => {
  it('terminates what cannot succeed', () => {
    for (const kind of kinds.filter((candidate) => FAULT_KINDS[candidate].bus === 'term')) {
      expect(dispositionOf(new Fault(kind, 'X', 'x'), 1)).toEqual({ action: 'term', reason: 'X' });
    }
  });

  it('delivers the rest again, later each time, up to a bound', () => {
    const fault = new Fault('unavailable', 'MODEL_LOADING', 'x');
    const delays = [1, 2, 3, 7, 8, 5000].map((count) => dispositionOf(fault, count));
    expect(delays.map((disposition) => 'delayMs' in disposition && disposition.delayMs)).toEqual([
      1000, 2000, 4000, 60_000, 60_000, 60_000,
    ]);
    const asking = new Fault('saturated', 'QUEUE_FULL', 'x', { retryAfterMs: 90_000 });
    expect(dispositionOf(asking, 1)).toEqual({ action: 'nak', delayMs: 90_000 });
    expect(dispositionOf(fault, 3, { baseMs: 10, maxMs: 30 })).toEqual({ action: 'nak', delayMs: 30 });
  });
});
