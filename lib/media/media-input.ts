/**
 * How every file of a caller enters ffmpeg and ffprobe. A caller's bytes may claim to be a playlist, a concat
 * script or a session description that names other files or addresses, so only containers that hold their own
 * data are opened, and only from the local file itself.
 */

/** The programs that decode and encode. A bare name is looked up on PATH. */
export interface FfmpegTools {
  readonly ffmpegPath: string;
  readonly ffprobePath: string;
}

export const DEFAULT_TOOLS: FfmpegTools = { ffmpegPath: 'ffmpeg', ffprobePath: 'ffprobe' };

/** Demuxers whose files hold all of their own data. Everything else (hls, dash, concat, sdp, …) is refused. */
export const ALLOWED_DEMUXERS = [
  'mov',
  'matroska',
  'avi',
  'mpegts',
  'wav',
  'w64',
  'aiff',
  'caf',
  'au',
  'mp3',
  'ogg',
  'flac',
  'aac',
  'amr',
] as const;

/** Options before each input of ffmpeg, and before the file name of ffprobe. */
export const INPUT_OPTIONS: readonly string[] = [
  '-protocol_whitelist',
  'file',
  '-format_whitelist',
  ALLOWED_DEMUXERS.join(','),
];

/** A local path as ffmpeg input: never an option and never another protocol, whatever the name looks like. */
export function inputUrl(path: string): string {
  return `file:${path}`;
}
