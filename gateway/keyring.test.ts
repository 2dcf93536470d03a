import { describe, expect, it } from 'vitest';
import { DEFAULT_GATEWAY_CONFIG } from './config.ts';
import { createKeyring, OPEN_TENANT } from './keyring.ts';

const KEYS = [
  { tenant: 'red', key: 'red-key-0123456789' },
  { tenant: 'blue', key: 'blue-key-0123456789' },
];
const bearer = (key: string): string => `Bearer ${key}`;
const reason = (name: string) => expect.objectContaining({ reason: name });

describe('admit', () => {
  it('knows tenants by their keys and nobody else', () => {
    const keyring = createKeyring({ ...DEFAULT_GATEWAY_CONFIG, apiKeys: KEYS });
    expect(keyring.admit(bearer('red-key-0123456789'))).toBe('red');
    expect(keyring.admit('bearer blue-key-0123456789')).toBe('blue');
    expect(() => keyring.admit(undefined)).toThrow(reason('API_KEY_REQUIRED'));
    expect(() => keyring.admit('Basic cmVk')).toThrow(reason('API_KEY_REQUIRED'));
    expect(() => keyring.admit(bearer('red-key-012345678'))).toThrow(reason('API_KEY_UNKNOWN'));
  });

  it('lets everybody in as one tenant when there are no keys', () => {
    const keyring = createKeyring(DEFAULT_GATEWAY_CONFIG);
    expect(keyring.admit(undefined)).toBe(OPEN_TENANT);
  });

  it('refuses what exceeds the rate, says when to come back, and keeps tenants apart', () => {
    let now = 0;
    const config = { ...DEFAULT_GATEWAY_CONFIG, apiKeys: KEYS, requestsPerSecond: 2, requestBurst: 3 };
    const keyring = createKeyring(config, () => now);
    const red = bearer('red-key-0123456789');
    for (let i = 0; i < 3; i++) keyring.admit(red);
    expect(() => keyring.admit(red)).toThrow(
      expect.objectContaining({ kind: 'saturated', reason: 'RATE_LIMITED', retryAfterMs: 500 }),
    );
    expect(keyring.admit(bearer('blue-key-0123456789'))).toBe('blue');
    now = 500;
    expect(keyring.admit(red)).toBe('red');
    expect(() => keyring.admit(red)).toThrow(reason('RATE_LIMITED'));
  });
});

describe('enterLive', () => {
  it('counts streams in and out, once each', () => {
    const keyring = createKeyring({ ...DEFAULT_GATEWAY_CONFIG, maxLiveStreams: 2 });
    const leave = keyring.enterLive('red');
    keyring.enterLive('red');
    expect(() => keyring.enterLive('red')).toThrow(reason('LIVE_STREAMS_EXHAUSTED'));
    keyring.enterLive('blue');
    leave();
    leave();
    keyring.enterLive('red');
    expect(() => keyring.enterLive('red')).toThrow(reason('LIVE_STREAMS_EXHAUSTED'));
  });
});
