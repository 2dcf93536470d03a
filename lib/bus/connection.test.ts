import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BusEvent, connectBus } from './connection.ts';
import { faultOf, startTestBus, type TestBus, until } from './test-bus.ts';

let test: TestBus;
beforeAll(async () => {
  test = await startTestBus();
});
afterAll(() => test.close());

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('connectBus', () => {
  it('connectBus() fails at once, with the address and the remedy, when no server is there', async () => {
    const port = await closedPort();
    const begun = Date.now();
    const fault = await faultOf(connectBus({ url: `nats://secret@127.0.0.1:${port}`, name: 'test' }));
    expect([fault.kind, fault.reason]).toEqual(['unavailable', 'BUS_UNREACHABLE']);
    expect(fault.message).toContain(`127.0.0.1:${port}`);
    expect(fault.message).toContain('nats-server -js');
    expect(fault.message).not.toContain('secret');
    expect(Date.now() - begun).toBeLessThan(1_500);
  });

  it('connectBus() waits for a server that comes within its patience', async () => {
    const second = await startTestBus();
    const { url, token } = second.server;
    try {
      await second.bus.drain();
      second.crashServer();
      const bus = await connectBus({ url, credentials: { token }, name: 'test', startPatienceMs: 15_000 });
      expect(bus.isConnected()).toBe(true);
      await bus.drain();
    } finally {
      await second.close();
    }
  });

  it('connectBus() ends its waiting when the signal aborts', async () => {
    const url = `nats://127.0.0.1:${await closedPort()}`;
    const signal = AbortSignal.timeout(100);
    const fault = await faultOf(connectBus({ url, name: 'test', startPatienceMs: 60_000 }, {}, { signal }));
    expect(fault.reason).toBe('DEADLINE_EXCEEDED');
  });

  it('connectBus() names wrong credentials, without waiting', async () => {
    const config = {
      url: test.server.url,
      credentials: { token: 'wrong' },
      name: 'test',
      startPatienceMs: 60_000,
    };
    const fault = await faultOf(connectBus(config));
    expect([fault.kind, fault.reason]).toEqual(['unauthenticated', 'BUS_UNAUTHORIZED']);
    expect(fault.message).not.toContain('wrong');
  });

  it('connectBus() names a disagreement on TLS, without waiting', async () => {
    const url = test.server.url.replace('nats://', 'tls://');
    const config = { url, credentials: { token: test.server.token }, name: 'test', startPatienceMs: 60_000 };
    const fault = await faultOf(connectBus(config));
    expect([fault.kind, fault.reason]).toEqual(['precondition', 'BUS_TLS_FAILED']);
  });

  it('connectBus() takes a token in the address and several addresses', async () => {
    const { url, token } = test.server;
    const withToken = url.replace('nats://', `nats://${token}@`);
    const bus = await connectBus({
      url: `nats://${token}@127.0.0.1:${await closedPort()},${withToken}`,
      name: 'test',
    });
    expect(bus.isConnected()).toBe(true);
    await bus.drain();
  });

  it.each(['', 'http://127.0.0.1:4222', 'nats://', '::::'])(
    'connectBus() refuses the address %j',
    async (url) => {
      const fault = await faultOf(connectBus({ url, name: 'test' }));
      expect([fault.kind, fault.reason]).toEqual(['invalid', 'BUS_URL_INVALID']);
    },
  );
});

describe('a lost server', () => {
  it('is reported, waited out by calls, and listened to again', async () => {
    const { url, token } = test.server;
    const seen: BusEvent['type'][] = [];
    const quick = { reconnectPauseMs: [20, 60] as const, credentials: { token }, url, name: 'test' };
    const bus = await connectBus(quick, { onEvent: (event) => seen.push(event.type) });
    let reconnections = 0;
    bus.onReconnect(() => reconnections++);
    test.crashServer();
    await until(() => !bus.isConnected());
    const account = await bus.call('asking', () => bus.manager.getAccountInfo());
    expect(account.limits).toBeDefined();
    expect(bus.isConnected()).toBe(true);
    expect(reconnections).toBe(1);
    await bus.drain();
    expect(seen).toEqual(['connected', 'disconnected', 'reconnected', 'closed']);
  });

  it('ends calls with BUS_LOST once their patience is over, and at once when the caller aborts', async () => {
    const second = await startTestBus();
    await second.server.stop();
    await until(() => !second.bus.isConnected());
    const ask = () => second.bus.manager.getAccountInfo();
    const begun = Date.now();
    const fault = await faultOf(second.bus.call('asking', ask, { patienceMs: 300 }));
    expect([fault.kind, fault.reason]).toEqual(['unavailable', 'BUS_LOST']);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(290);
    expect(Date.now() - begun).toBeLessThan(2_500);
    const aborted = await faultOf(second.bus.call('asking', ask, { signal: AbortSignal.timeout(100) }));
    expect(aborted.reason).toBe('DEADLINE_EXCEEDED');
    const forever = faultOf(second.bus.call('asking', ask, { patienceMs: Number.POSITIVE_INFINITY }));
    await second.bus.drain();
    expect((await forever).reason).toBe('BUS_CLOSED');
    expect(second.bus.closed.reason).toMatchObject({ reason: 'BUS_CLOSED' });
    expect((await faultOf(second.bus.call('asking', ask))).reason).toBe('BUS_CLOSED');
    await second.close();
  });

  it('is lost for good when it comes back with other credentials', async () => {
    const second = await startTestBus();
    const port = new URL(second.server.url).port;
    await second.server.stop();
    const { spawn } = await import('node:child_process');
    const stranger = spawn('nats-server', ['-a', '127.0.0.1', '-p', port, '--auth', 'other'], {
      stdio: 'ignore',
    });
    try {
      await until(() => second.bus.closed.aborted);
      expect(second.bus.closed.reason).toMatchObject({ kind: 'unavailable', reason: 'BUS_CLOSED' });
    } finally {
      stranger.kill('SIGKILL');
      await second.close();
    }
  });
});
