/** Addresses of servers: `host:port`, `dns:///host:port`, or a unix socket as `unix:/path`. */
import { lstatSync, unlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { Fault, invalidField } from '#lib/fault/fault.ts';

const UNIX = 'unix:';
const TCP =
  /^(?:(?:dns|ipv4|ipv6):\/{0,3})?(?:\[(?<ipv6>[0-9a-fA-F:.%]+)\]|(?<host>[^\s:/[\]]+)):(?<port>\d{1,5})$/;

/** Path of a unix socket address, undefined for any other. */
export function unixPath(address: string): string | undefined {
  if (!address.startsWith(UNIX)) return undefined;
  const path = address.slice(UNIX.length);
  return path.startsWith('//') ? path.slice(2) : path;
}

/** Host of a TCP address, without brackets; undefined for any other. */
export function tcpHost(address: string): string | undefined {
  const groups = TCP.exec(address)?.groups;
  return groups?.ipv6 ?? groups?.host;
}

/** Throws ADDRESS_INVALID for what is neither a TCP nor a unix socket address. */
export function checkAddress(address: string): void {
  const path = unixPath(address);
  if (path !== undefined) {
    if (path.length > 0) return;
  } else {
    const port = TCP.exec(address)?.groups?.port;
    if (port !== undefined && Number(port) <= 65_535) return;
  }
  throw invalidField(
    'ADDRESS_INVALID',
    'address',
    `"${address}" is not an address; use host:port, dns:///host:port or unix:/path`,
  );
}

/**
 * Removes the socket file that a killed server left behind, since binding would fail with EADDRINUSE. Throws
 * ADDRESS_IN_USE when a server still answers there, and when the file is not a socket.
 */
export async function clearStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket() || (await answers(path))) {
    throw new Fault(
      'unavailable',
      'ADDRESS_IN_USE',
      `unix:${path} is in use; stop its owner or choose another path`,
    );
  }
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
