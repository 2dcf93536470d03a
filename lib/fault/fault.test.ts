import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { abortFault, Fault, invalidField, isFault, isReason, toFault } from './fault.ts';

describe('Fault', () => {
  it('refuses a reason that is not UPPER_SNAKE of at most 63 characters', () => {
    expect(new Fault('invalid', 'NO_FACE_FOUND', 'x').reason).toBe('NO_FACE_FOUND');
    expect(isReason('A'.repeat(63))).toBe(true);
    for (const reason of ['', 'no_face', 'NO-FACE', '1ST', '_A', 'A'.repeat(64)]) {
      expect(() => new Fault('invalid', reason, 'x')).toThrow(TypeError);
    }
  });

  it('has no numeric code that grpc-js or a bus client could take for a status', () => {
    expect('code' in new Fault('internal', 'X', 'x', { cause: { code: 5 } })).toBe(false);
  });

  it('names the field in the message and in the violations', () => {
    const fault = invalidField('STEPS_RANGE', 'recipe.steps', 'is 0; use 1 to 200');
    expect(fault.message).toBe('recipe.steps: is 0; use 1 to 200');
    expect(fault.violations).toEqual([{ field: 'recipe.steps', description: 'is 0; use 1 to 200' }]);
  });

  it('is known by its brand, across copies of the module', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('talkmesh.fault')]: true });
    expect(isFault(foreign)).toBe(true);
    for (const other of [new Error('x'), null, undefined, 'x', 5]) expect(isFault(other)).toBe(false);
  });
});

describe('toFault()', () => {
  it('returns a fault as it is', () => {
    const fault = new Fault('late', 'X', 'x');
    expect(toFault(fault)).toBe(fault);
  });

  it.for([
    new Error('/srv/alice.mp4'),
    { code: 10_059, message: 'alice' },
    'alice',
    undefined,
    null,
    Object.assign(new Error('alice'), { code: 'ENOENT' }),
  ])('hides the text of %o and keeps it as the cause', (error) => {
    const fault = toFault(error);
    expect(fault).toMatchObject({ kind: 'internal', reason: 'UNEXPECTED' });
    expect(fault.message).not.toContain('alice');
    expect(fault.cause).toBe(error);
  });

  it('knows the abort and timeout errors of the platform', async () => {
    const controller = new AbortController();
    const waiting = delay(10_000, undefined, { signal: controller.signal }).catch(toFault);
    controller.abort();
    expect(await waiting).toMatchObject({ kind: 'cancelled' });
    expect(toFault(new DOMException('x', 'AbortError'))).toMatchObject({ kind: 'cancelled' });
    expect(toFault(new DOMException('x', 'TimeoutError'))).toMatchObject({ kind: 'late' });
  });

  it('finds the fault that a signal was aborted with, inside the error of the platform', async () => {
    const reason = new Fault('unavailable', 'DRAINING', 'x');
    const controller = new AbortController();
    const waiting = delay(10_000, undefined, { signal: controller.signal }).catch(toFault);
    controller.abort(reason);
    expect(await waiting).toBe(reason);
  });
});

describe('abortFault()', () => {
  it('is the reason of the signal when that is a fault, else cancelled or late', async () => {
    const fault = new Fault('superseded', 'X', 'x');
    expect(abortFault(AbortSignal.abort(fault))).toBe(fault);
    expect(abortFault(AbortSignal.abort())).toMatchObject({ kind: 'cancelled' });
    expect(abortFault(AbortSignal.abort('why not'))).toMatchObject({ kind: 'cancelled', cause: 'why not' });
    const timeout = AbortSignal.timeout(1);
    await new Promise((resolve) => timeout.addEventListener('abort', resolve));
    expect(abortFault(timeout)).toMatchObject({ kind: 'late' });
  });
});
