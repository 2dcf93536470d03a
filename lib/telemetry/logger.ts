/**
 * Structured logs: one JSON object per line, or one readable line on a terminal. Every line carries the active
 * trace's id. What a line must not hold (secrets, payloads, anything of a face or a voice) is kept out here.
 */
import { type DestinationStream, destination, type Logger as Pino, pino, stdTimeFunctions } from 'pino';
import { formatLogLine } from './log-text.ts';
import { sanitiseFields } from './sanitise.ts';
import { currentTraceId } from './trace-context.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Facts beside the message. An error goes under `error`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The message is a constant sentence; what varies stands in the fields, so that logs can be counted by message. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerConfig {
  /** Least severe level written. Default "info". */
  readonly level?: LogLevel;
  /** "json": one object per line. "text": for a person at a terminal. Default "json". */
  readonly format?: 'json' | 'text';
  /** Fields of every line, such as the service and its version. */
  readonly base?: LogFields;
  /**
   * Where lines go: a file descriptor, or anything with a `write`. Default 2 (standard error): standard output
   * belongs to the command's result.
   */
  readonly destination?: number | { write(line: string): void };
}

function openDestination(target: number | { write(line: string): void }): DestinationStream {
  // Synchronous: the lines before a crash are those that matter, and nothing logs per frame.
  return typeof target === 'number' ? destination({ fd: target, sync: true }) : target;
}

/** The names that the logger writes itself; a field of such a name gets an underscore. */
const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'message', 'traceId']);

function prepare(fields: LogFields): Record<string, unknown> {
  const entries = Object.entries(sanitiseFields(fields));
  return Object.fromEntries(entries.map(([name, value]) => [RESERVED.has(name) ? `${name}_` : name, value]));
}

function wrap(sink: Pino): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (sink.isLevelEnabled(level)) sink[level](prepare(fields), message);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(sink.child(prepare(fields))),
  };
}

export function createLogger(config: LoggerConfig = {}): Logger {
  const stream = openDestination(config.destination ?? 2);
  const target: DestinationStream =
    config.format === 'text' ? { write: (line) => stream.write(formatLogLine(line)) } : stream;
  const sink = pino(
    {
      level: config.level ?? 'info',
      base: prepare(config.base ?? {}),
      timestamp: stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const traceId = currentTraceId();
        return traceId === undefined ? {} : { traceId };
      },
    },
    target,
  );
  return wrap(sink);
}
