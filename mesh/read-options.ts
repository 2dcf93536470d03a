import { Fault } from '#lib/fault/fault.ts';

/**
 * Command-line options as `parse`, a call of node's parseArgs, finds them.
 *
 * @throws Fault invalid OPTION_INVALID, with the usage, for options that are unknown or lack their value
 */
export function readOptions<T>(parse: () => { readonly values: T }, usage: string): T {
  try {
    return parse().values;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new Fault('invalid', 'OPTION_INVALID', `${cause.message}\n\n${usage}`, { cause });
  }
}
