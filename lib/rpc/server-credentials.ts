/** TLS of a server. */
import { createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { Fault } from '#lib/fault/fault.ts';

export interface ServerTls {
  /** Certificate chain and private key of the server, PEM. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Authorities that sign clients, PEM. With it, clients without such a certificate are refused (mutual TLS). */
  readonly clientCaPem?: string;
}

/** Throws TLS_INVALID when the PEM texts do not make usable credentials. */
export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  try {
    // grpc-js opens the certificates while binding, where a failure has nobody to catch it.
    createSecureContext({ cert: tls.certPem, key: tls.keyPem, ca: tls.clientCaPem });
    return ServerCredentials.createSsl(
      tls.clientCaPem === undefined ? null : Buffer.from(tls.clientCaPem),
      [{ private_key: Buffer.from(tls.keyPem), cert_chain: Buffer.from(tls.certPem) }],
      tls.clientCaPem !== undefined,
    );
  } catch (cause) {
    throw new Fault(
      'invalid',
      'TLS_INVALID',
      'the TLS certificates or key of the server cannot be used; check that each is PEM and that key and certificate belong together',
      { cause },
    );
  }
}
