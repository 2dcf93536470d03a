/** One log line for a person: "12:30:05 warn  a sentence  field=value". */

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly message?: string;
  readonly error?: { readonly stack?: string };
}

function formatValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Turns a JSON line of the logger into text; the stack of an error follows on lines of its own. */
export function formatLogLine(line: string): string {
  const { level, time, message, error, ...fields } = JSON.parse(line) as LogLine;
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${formatValue(value)}`);
  const { stack, ...rest } = error ?? {};
  if (error !== undefined) shown.push(`error=${formatValue(rest)}`);
  const head = [time.slice(11, 19), level.padEnd(5), message ?? ''].join(' ');
  const text = shown.length === 0 ? head : `${head}  ${shown.join(' ')}`;
  return stack === undefined ? `${text}\n` : `${text}\n${stack.replace(/^/gm, '    ')}\n`;
}
