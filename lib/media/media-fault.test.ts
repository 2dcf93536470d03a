import { describe, expect, it } from 'vitest';
import { fileFault, hostFault, readFault } from './media-fault.ts';
import { DEFAULT_TOOLS } from './media-input.ts';

const withCode = (code: string) => Object.assign(new Error(code), { code });

describe('hostFault()', () => {
  it.each([
    [withCode('ENOENT'), '', 'precondition', 'FFMPEG_MISSING'],
    [withCode('EACCES'), '', 'precondition', 'FFMPEG_MISSING'],
    [new Error('ffmpeg exited with code 1'), 'x.yuv: No space left on device', 'saturated', 'DISK_FULL'],
    [new Error('ffmpeg exited with code 1'), 'Disk quota exceeded', 'saturated', 'DISK_FULL'],
    [new Error('ffmpeg was killed with signal SIGKILL'), '', 'unavailable', 'FFMPEG_KILLED'],
  ])('takes %s for the machine: %s', (error, stderr, kind, reason) => {
    expect(hostFault({ error, stderr }, DEFAULT_TOOLS)).toMatchObject({ kind, reason });
  });

  it('leaves what the file causes to others', () => {
    const error = new Error('ffmpeg exited with code 1');
    expect(hostFault({ error, stderr: 'Invalid data found' }, DEFAULT_TOOLS)).toBeUndefined();
  });
});

describe('readFault()', () => {
  it('never shows the caller what ffmpeg said', () => {
    const failure = { error: new Error('/home/a-name/x.mp4'), stderr: '/home/a-name/x.mp4: Invalid data' };
    const fault = readFault(failure, DEFAULT_TOOLS, 'voice');
    expect(fault).toMatchObject({ reason: 'MEDIA_UNREADABLE', violations: [{ field: 'voice' }] });
    expect(JSON.stringify([fault.message, fault.violations, fault.metadata])).not.toContain('a-name');
  });
});

describe('fileFault()', () => {
  it.each([
    ['ENOSPC', 'saturated', 'DISK_FULL'],
    ['EDQUOT', 'saturated', 'DISK_FULL'],
    ['EIO', 'internal', 'MEDIA_IO_FAILED'],
  ])('reads %s as %s %s', (code, kind, reason) => {
    expect(fileFault(withCode(code))).toMatchObject({ kind, reason });
  });
});
