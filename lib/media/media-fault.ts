import { Fault } from '#lib/fault/fault.ts';
import type { FfmpegTools } from './media-input.ts';

/** What ffmpeg or ffprobe left behind when it did not succeed. */
export interface ToolFailure {
  /** The error of the spawn or of the exit. */
  readonly error: unknown;
  /** The last lines of stderr: for the log only, they name files and may quote their metadata. */
  readonly stderr: string;
}

export function mediaFault(
  reason: string,
  field: string,
  description: string,
  metadata: Readonly<Record<string, string>> = {},
  cause?: unknown,
): Fault {
  return new Fault('invalid', reason, `${field}: ${description}`, {
    violations: [{ field, description }],
    metadata,
    ...(cause === undefined ? {} : { cause }),
  });
}

const TRUNCATED = /partial file|File ended prematurely|Truncat/i;

/** Whether ffmpeg noticed that a file ends before its own index says so. It exits with 0 all the same. */
export function saysTruncated(stderr: string): boolean {
  return TRUNCATED.test(stderr);
}

export function truncatedFault(field: string, cause?: unknown): Fault {
  return mediaFault(
    'MEDIA_TRUNCATED',
    field,
    'the file ends before its own index says; send the whole file',
    {},
    cause,
  );
}

/** The failure of a tool that could not even start, was killed, or met a full disk; undefined for anything else. */
export function hostFault(failure: ToolFailure, tools: FfmpegTools): Fault | undefined {
  const cause = describe(failure);
  const code = errorCode(failure.error);
  if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') {
    return new Fault(
      'precondition',
      'FFMPEG_MISSING',
      `ffmpeg cannot be started as "${tools.ffmpegPath}" (ffprobe: "${tools.ffprobePath}"); ` +
        'install it (apt-get install ffmpeg) or configure its path',
      { cause },
    );
  }
  if (
    /No space left on device|Disk quota exceeded/i.test(failure.stderr) ||
    code === 'ENOSPC' ||
    code === 'EDQUOT'
  ) {
    return diskFullFault(cause);
  }
  if (/killed with signal/.test(errorText(failure.error))) {
    return new Fault('unavailable', 'FFMPEG_KILLED', 'ffmpeg was killed while it worked; try again', {
      cause,
    });
  }
  return undefined;
}

export function diskFullFault(cause?: unknown): Fault {
  return new Fault(
    'saturated',
    'DISK_FULL',
    'the disk for temporary files is full; free space or try again later',
    {
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** Any failure to read a caller's file, as a fault that names the field and never the file. */
export function readFault(failure: ToolFailure, tools: FfmpegTools, field: string): Fault {
  const host = hostFault(failure, tools);
  if (host !== undefined) return host;
  const cause = describe(failure);
  // image2 answers for any content under the name of a picture.
  if (/(?<!\[image2 @ \w+\] )(Format|Protocol '.*') not on whitelist/i.test(failure.stderr)) {
    return mediaFault(
      'MEDIA_FORMAT_REFUSED',
      field,
      'files of this kind, such as playlists and others that name further files, are not opened; send one ' +
        'self-contained mp4, mov, webm, mkv, wav, mp3, m4a, ogg or flac file',
      {},
      cause,
    );
  }
  if (saysTruncated(failure.stderr)) return truncatedFault(field, cause);
  return unreadableFault(field, cause);
}

export function unreadableFault(field: string, cause?: unknown): Fault {
  return mediaFault('MEDIA_UNREADABLE', field, 'the file is damaged or of an unknown kind', {}, cause);
}

/** A failed file operation on temporary space, as a fault. */
export function fileFault(error: unknown): Fault {
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFullFault(error);
  return new Fault('internal', 'MEDIA_IO_FAILED', 'a temporary media file cannot be read or written', {
    cause: error,
  });
}

function describe(failure: ToolFailure): Error {
  return new Error(failure.stderr.trim() || 'no message on stderr', { cause: failure.error });
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
