/** How to reach NATS: addresses, credentials, patience. */
import { type ConnectionOptions, credsAuthenticator } from 'nats';
import { invalidField } from '#lib/fault/fault.ts';

export type BusCredentials =
  | { readonly token: string }
  | { readonly user: string; readonly password: string }
  /** The text of a `.creds` file: a user JWT and its nkey seed. */
  | { readonly creds: string };

export interface BusConfig {
  /** One or more of `nats://host:port` or `tls://host:port`; a token or `user:password` may precede the host. */
  readonly url: string | readonly string[];
  readonly credentials?: BusCredentials;
  /** PEM files; without them, `tls://` trusts the system's authorities. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Shown by the server's monitoring, such as "talkmesh-gateway". */
  readonly name: string;
  /** How long to go on trying while the server cannot be reached at the start. Zero means one attempt. */
  readonly startPatienceMs?: number;
  /** Time for one request to the server. */
  readonly requestTimeoutMs?: number;
  /** How long an operation waits for a server that is away before it fails with BUS_LOST. */
  readonly patienceMs?: number;
  /** Shortest and longest pause before a reconnection attempt; drawn at random between the two. */
  readonly reconnectPauseMs?: readonly [number, number];
  /** A connection without an answer for three of these is taken for dead. */
  readonly pingIntervalMs?: number;
}

export const BUS_DEFAULTS = {
  startPatienceMs: 0,
  requestTimeoutMs: 5_000,
  patienceMs: 15_000,
  reconnectPauseMs: [200, 1_200],
  pingIntervalMs: 10_000,
} as const;

/** The same in the client's words. @throws Fault BUS_URL_INVALID */
export function toConnectionOptions(config: BusConfig): ConnectionOptions {
  const [minPauseMs, maxPauseMs] = config.reconnectPauseMs ?? BUS_DEFAULTS.reconnectPauseMs;
  const servers = [config.url].flat().flatMap((url) => url.split(','));
  const parsed = servers.map(parseServer);
  const credentials = config.credentials ?? parsed.find(({ credentials }) => credentials)?.credentials;
  return {
    servers: parsed.map(({ host }) => host),
    name: config.name,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => minPauseMs + Math.random() * (maxPauseMs - minPauseMs),
    pingInterval: config.pingIntervalMs ?? BUS_DEFAULTS.pingIntervalMs,
    maxPingOut: 2,
    timeout: config.requestTimeoutMs ?? BUS_DEFAULTS.requestTimeoutMs,
    noAsyncTraces: true,
    ...(parsed.some(({ tls }) => tls) || config.tls ? { tls: { ...config.tls } } : {}),
    ...authentication(credentials),
  };
}

function authentication(credentials: BusCredentials | undefined): ConnectionOptions {
  if (credentials === undefined) return {};
  if ('token' in credentials) return { token: credentials.token };
  if ('user' in credentials) return { user: credentials.user, pass: credentials.password };
  return { authenticator: credsAuthenticator(new TextEncoder().encode(credentials.creds)) };
}

function parseServer(text: string): { host: string; tls: boolean; credentials?: BusCredentials } {
  const url = URL.parse(text.trim().includes('://') ? text.trim() : `nats://${text.trim()}`);
  if (url === null || url.hostname === '' || !['nats:', 'tls:'].includes(url.protocol)) {
    throw invalidField(
      'BUS_URL_INVALID',
      'nats.url',
      'is not a NATS address; write nats://host:port or tls://host:port, several separated by commas',
    );
  }
  const host = `${url.hostname}:${url.port === '' ? '4222' : url.port}`;
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const tls = url.protocol === 'tls:';
  if (user === '') return { host, tls };
  return { host, tls, credentials: password === '' ? { token: user } : { user, password } };
}
