/** Who calls, and how much they may: API keys, request rates and live streams. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Fault } from '#lib/fault/fault.ts';
import type { GatewayConfig } from './config.ts';

export interface Keyring {
  /**
   * The tenant of a request, by its Authorization header.
   *
   * @throws Fault unauthenticated API_KEY_REQUIRED, API_KEY_UNKNOWN; saturated RATE_LIMITED
   */
  admit(authorization: string | undefined): string;
  /**
   * Counts a live stream in; the result counts it out.
   *
   * @throws Fault saturated LIVE_STREAMS_EXHAUSTED
   */
  enterLive(tenant: string): () => void;
}

/** Who calls when no keys are configured. */
export const OPEN_TENANT = 'local';

interface Caller {
  readonly tenant: string;
  readonly digest: Buffer;
  /** Requests that may be sent at once, refilled with time (token bucket). */
  tokens: number;
  refilledAtMs: number;
}

export function createKeyring(config: GatewayConfig, nowMs: () => number = () => performance.now()): Keyring {
  const caller = (tenant: string, key: string): Caller => ({
    tenant,
    digest: digest(key),
    tokens: config.requestBurst,
    refilledAtMs: nowMs(),
  });
  const callers = config.apiKeys.map(({ key, tenant }) => caller(tenant, key));
  const anybody = callers.length === 0 ? caller(OPEN_TENANT, '') : undefined;
  const liveStreams = new Map<string, number>();

  function identify(authorization: string | undefined): Caller {
    if (anybody !== undefined) return anybody;
    const key = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (key === undefined) {
      throw new Fault(
        'unauthenticated',
        'API_KEY_REQUIRED',
        'send an API key as "Authorization: Bearer KEY"',
      );
    }
    const sent = digest(key);
    // Every key is compared, in constant time each, so that timing tells nothing of them.
    const found = callers.filter((known) => timingSafeEqual(known.digest, sent))[0];
    if (found === undefined)
      throw new Fault('unauthenticated', 'API_KEY_UNKNOWN', 'the API key is not known here');
    return found;
  }

  return {
    admit(authorization) {
      const known = identify(authorization);
      const now = nowMs();
      const refill = ((now - known.refilledAtMs) / 1000) * config.requestsPerSecond;
      known.tokens = Math.min(config.requestBurst, known.tokens + refill);
      known.refilledAtMs = now;
      if (known.tokens < 1) {
        const retryAfterMs = Math.ceil(((1 - known.tokens) / config.requestsPerSecond) * 1000);
        throw new Fault(
          'saturated',
          'RATE_LIMITED',
          `more than ${config.requestsPerSecond} requests a second; slow down`,
          { retryAfterMs },
        );
      }
      known.tokens -= 1;
      return known.tenant;
    },
    enterLive(tenant) {
      const count = liveStreams.get(tenant) ?? 0;
      if (count >= config.maxLiveStreams) {
        throw new Fault(
          'saturated',
          'LIVE_STREAMS_EXHAUSTED',
          `${count} live streams are open, and that is the limit; close one first`,
          { metadata: { limit: String(config.maxLiveStreams) } },
        );
      }
      liveStreams.set(tenant, count + 1);
      let open = true;
      return () => {
        if (!open) return;
        open = false;
        liveStreams.set(tenant, liveStreams.get(tenant)! - 1);
      };
    },
  };
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
