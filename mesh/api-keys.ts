/** API keys out of the configuration. */
import type { ApiKey } from '#gateway/config.ts';
import { Fault } from '#lib/fault/fault.ts';
import type { MeshConfig } from './config-fields.ts';

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):/;

/**
 * The keys, each "TENANT:KEY" in the configuration.
 *
 * @throws Fault precondition API_KEYS_REQUIRED when anybody could reach a gateway that asks for none
 */
export function apiKeysOf({ apiKeys, httpAddress, grpcAddress }: MeshConfig): ApiKey[] {
  const open = [httpAddress, grpcAddress].filter((address) => !LOOPBACK.test(address));
  if (apiKeys === undefined && open.length > 0) {
    throw new Fault(
      'precondition',
      'API_KEYS_REQUIRED',
      `${open.join(' and ')} can be reached from other machines; set TALKMESH_API_KEYS to "TENANT:KEY", or serve on 127.0.0.1`,
    );
  }
  return (apiKeys?.split(',') ?? []).map((entry) => {
    const separator = entry.indexOf(':');
    return { tenant: entry.slice(0, separator).trim(), key: entry.slice(separator + 1).trim() };
  });
}
