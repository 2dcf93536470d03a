/** TLS of a client. */
import { ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import { Fault } from '#lib/fault/fault.ts';

export interface ClientTls {
  /** Certificates of the authorities that sign servers, PEM. Default: those that the runtime trusts. */
  readonly caPem?: string;
  /** This client's certificate chain and private key, PEM, when the server asks for one (mutual TLS). */
  readonly certPem?: string;
  readonly keyPem?: string;
  /** Name to expect in the server's certificate instead of the address' host. */
  readonly serverName?: string;
}

/** Throws TLS_INVALID when the PEM texts do not make usable credentials. */
export function clientCredentials(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  try {
    return ChannelCredentials.createSsl(pem(tls.caPem), pem(tls.keyPem), pem(tls.certPem));
  } catch (cause) {
    throw new Fault(
      'invalid',
      'TLS_INVALID',
      'the TLS certificates or key of the client cannot be used; check that each is PEM and that key and certificate belong together',
      { cause },
    );
  }
}

export function serverNameOptions(tls: ClientTls | undefined): ChannelOptions {
  if (tls?.serverName === undefined) return {};
  return { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName };
}
