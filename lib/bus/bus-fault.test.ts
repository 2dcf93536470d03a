import { ErrorCode, NatsError } from 'nats';
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { busFault, isTransient } from './bus-fault.ts';

function apiError(code: number, errCode: number, description: string): NatsError {
  const error = new NatsError(description, String(code));
  error.api_error = { code, err_code: errCode, description };
  return error;
}

describe('busFault', () => {
  it.each([
    [new NatsError('timeout', ErrorCode.Timeout), 'unavailable', 'BUS_LOST'],
    [new NatsError('disconnect', ErrorCode.Disconnect), 'unavailable', 'BUS_LOST'],
    [new NatsError('closed', ErrorCode.ConnectionClosed), 'unavailable', 'BUS_CLOSED'],
    [new NatsError('503', ErrorCode.NoResponders), 'unavailable', 'BUS_NO_JETSTREAM'],
    [new NatsError('auth', ErrorCode.AuthorizationViolation), 'unauthenticated', 'BUS_UNAUTHORIZED'],
    [new NatsError('perm', ErrorCode.PermissionsViolation), 'denied', 'BUS_DENIED'],
    [new NatsError('tls', ErrorCode.ServerOptionNotAvailable), 'precondition', 'BUS_TLS_FAILED'],
    [
      Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
      'precondition',
      'BUS_TLS_FAILED',
    ],
    [new NatsError('max', ErrorCode.MaxPayloadExceeded), 'invalid', 'BUS_MESSAGE_TOO_LARGE'],
    [apiError(400, 10_071, 'wrong last sequence: 7'), 'superseded', 'REVISION_STALE'],
    [apiError(503, 10_077, 'maximum bytes exceeded'), 'saturated', 'STORE_FULL'],
    [apiError(404, 10_037, 'no message found'), 'missing', 'ENTRY_NOT_FOUND'],
    [apiError(404, 10_059, 'stream not found'), 'unavailable', 'BUS_TOPOLOGY_MISSING'],
    [apiError(500, 99_999, 'something new'), 'internal', 'BUS_FAILED'],
  ])('busFault() of %s is %s/%s', (error, kind, reason) => {
    const fault = busFault(error, 'testing');
    expect([fault.kind, fault.reason]).toEqual([kind, reason]);
    expect(fault.cause).toBe(error);
    expect(fault).not.toHaveProperty('code');
  });

  it('busFault() says what was being done, and nothing of the server', () => {
    const fault = busFault(
      apiError(500, 99_999, 'stream "$KV.talkmesh_renders.render.acme"'),
      'reading a record',
    );
    expect(fault.message).toBe('NATS failed while reading a record');
  });

  it('busFault() keeps a Fault and hides what it does not know', () => {
    const known = new Fault('invalid', 'ASSET_EMPTY', 'file: has no bytes');
    expect(busFault(known, 'testing')).toBe(known);
    expect(busFault(new Error('/home/somebody/face.mp4'), 'testing').message).not.toContain('somebody');
  });
});

describe('isTransient', () => {
  it('isTransient() is true only of a bus that may come back by itself', () => {
    expect(isTransient(busFault(new NatsError('timeout', ErrorCode.Timeout), 'testing'))).toBe(true);
    expect(isTransient(busFault(new NatsError('503', ErrorCode.NoResponders), 'testing'))).toBe(true);
    expect(isTransient(busFault(new NatsError('closed', ErrorCode.ConnectionClosed), 'testing'))).toBe(false);
    expect(isTransient(busFault(apiError(503, 10_077, 'maximum bytes exceeded'), 'testing'))).toBe(false);
  });
});
