import { afterEach, describe, expect, it, vi } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { release } from './release.ts';

describe('release()', () => {
  afterEach(() => vi.restoreAllMocks());

  function failing(error: unknown): AsyncIterator<number> {
    return {
      next: () => new Promise(() => undefined),
      return: () => Promise.reject(error),
    };
  }

  it('reports an error of the clean-up as a warning that names no text of it', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await release(failing(new RangeError('/srv/alice.mp4')), 'the test');
    expect(warn).toHaveBeenCalledWith('UNEXPECTED (RangeError) during the test', {
      code: 'TALKMESH_STRAY_ERROR',
    });
  });

  it('does not report an iterator that says it was cancelled', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await release(failing(new Fault('cancelled', 'CALLER_CANCELLED', 'x')), 'the test');
    expect(warn).not.toHaveBeenCalled();
  });
});
