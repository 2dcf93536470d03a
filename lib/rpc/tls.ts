/** TLS of both ends, from PEM texts. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ChannelCredentials, type ChannelOptions, ServerCredentials } from '@grpc/grpc-js';
import { Fault, invalidField } from '#lib/fault/fault.ts';
import { tcpHost } from './address.ts';

export interface ServerTls {
  /** Certificate chain and private key of the server, PEM. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Authorities that sign clients, PEM. With it, clients without such a certificate are refused (mutual TLS). */
  readonly clientCaPem?: string;
}

export interface ClientTls {
  /** Authorities that sign servers, PEM. Default: those that the runtime trusts. */
  readonly caPem?: string;
  /** This client's certificate chain and private key, PEM, when the server asks for one (mutual TLS). */
  readonly certPem?: string;
  readonly keyPem?: string;
  /** Name to expect in the server's certificate instead of the address' host. Needed when that is an IP address. */
  readonly serverName?: string;
}

/** Throws TLS_INVALID when the PEM texts do not make usable credentials. */
export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  return usable('server', () => {
    checkPair(tls.certPem, tls.keyPem);
    // Without any authority, grpc-js' server speaks clear text on Deno. Unused unless clients are verified.
    const authorities = Buffer.from(tls.clientCaPem ?? tls.certPem);
    const pair = { private_key: Buffer.from(tls.keyPem), cert_chain: Buffer.from(tls.certPem) };
    return ServerCredentials.createSsl(authorities, [pair], tls.clientCaPem !== undefined);
  });
}

/** Throws TLS_INVALID when the PEM texts do not make usable credentials. */
export function clientCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  const { caPem, certPem, keyPem } = tls;
  return usable('client', () => {
    const authorities = caPem === undefined ? null : Buffer.from(caPem);
    if (certPem === undefined && keyPem === undefined) return ChannelCredentials.createSsl(authorities);
    if (certPem === undefined || keyPem === undefined)
      throw new Error('certificate without key, or key without');
    checkPair(certPem, keyPem);
    return ChannelCredentials.createSsl(authorities, Buffer.from(keyPem), Buffer.from(certPem));
  });
}

/**
 * The name that the server's certificate is checked against. TLS names no IP addresses (RFC 6066, section 3), so
 * an address with one needs a name: TLS_SERVER_NAME_MISSING.
 */
export function serverNameOptions(tls: ClientTls | undefined, address: string): ChannelOptions {
  if (tls === undefined) return {};
  const name = tls.serverName;
  if (name === undefined) {
    if (isIP(tcpHost(address) ?? '') === 0) return {};
    throw invalidField(
      'TLS_SERVER_NAME_MISSING',
      'tls.serverName',
      `the address ${address} has no name to check the certificate against; say which name the certificate has`,
    );
  }
  return { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name };
}

/** grpc-js and some runtimes accept a key of another certificate and fail at each handshake instead. */
function checkPair(certPem: string, keyPem: string): void {
  if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))) {
    throw new Error('the key is not that of the certificate');
  }
}

function usable<T>(side: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    throw new Fault(
      'invalid',
      'TLS_INVALID',
      `the TLS certificate or key of the ${side} cannot be used; check that each is PEM and that they belong together`,
      { cause },
    );
  }
}
