/**
 * Keeps ONNX Runtime from reporting on its users. Since 1.29 Microsoft's builds for Linux send facts of each session
 * to a server of theirs, and write an identifier of the machine and a log into the temporary folder, unless
 * ORT_DISABLE_TELEMETRY is in the environment of the process before the library is loaded (its docs/Privacy.md).
 */
export function forbidTelemetry(): void {
  // biome-ignore lint/style/noProcessEnv: the library is told by the environment only; nothing is read from it here.
  process.env[NAME] = '1';
  if (process.versions.bun !== undefined) setNatively();
}

const NAME = 'ORT_DISABLE_TELEMETRY';

interface BunFfi {
  dlopen(
    library: string,
    symbols: { readonly setenv: { readonly args: readonly string[]; readonly returns: string } },
  ): { readonly symbols: { setenv(name: Buffer, value: Buffer, overwrite: number): number } };
}

/** Bun's process.env is a copy, which native libraries do not see. */
function setNatively(): void {
  const { dlopen } = process.getBuiltinModule('bun:ffi') as unknown as BunFfi;
  const library = process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6';
  const { symbols } = dlopen(library, { setenv: { args: ['cstring', 'cstring', 'int'], returns: 'int' } });
  symbols.setenv(Buffer.from(`${NAME}\0`), Buffer.from('1\0'), 1);
}
