/** Every limit and default of the gateway. */

export interface ApiKey {
  /** The secret that a caller sends as `Authorization: Bearer KEY`. */
  readonly key: string;
  /** Who that is: 1 to 64 letters, digits, hyphens and underscores. Several keys may name one tenant. */
  readonly tenant: string;
}

export interface GatewayConfig {
  /** Without keys every caller is the tenant "local"; mesh allows that on loopback only. */
  readonly apiKeys: readonly ApiKey[];
  /** Requests of one key in any second, on average; more are refused with 429. */
  readonly requestsPerSecond: number;
  /** Requests that one key may send at once before the average counts. */
  readonly requestBurst: number;
  /** Live streams of one tenant at once. */
  readonly maxLiveStreams: number;
  /** Largest upload. */
  readonly maxUploadBytes: number;
  /** Largest JSON body. */
  readonly maxJsonBytes: number;
  /** Origins that browsers may call from, such as https://studio.example; "*" allows all. */
  readonly corsOrigins: readonly string[];
  /** Pause between comments on an idle event stream, so that proxies keep it open. */
  readonly eventKeepaliveMs: number;
  /** A live caller that takes nothing of what is sent for so long, or gives no sign of life, is let go. */
  readonly slowClientTimeoutMs: number;
  /** Longest time that POST /v1/talk waits for its render. */
  readonly talkTimeoutMs: number;
}

export const DEFAULT_GATEWAY_CONFIG: GatewayConfig = {
  apiKeys: [],
  requestsPerSecond: 50,
  requestBurst: 100,
  maxLiveStreams: 8,
  maxUploadBytes: 1024 * 1024 * 1024,
  maxJsonBytes: 256 * 1024,
  corsOrigins: [],
  eventKeepaliveMs: 15_000,
  slowClientTimeoutMs: 60_000,
  talkTimeoutMs: 3_600_000,
};
