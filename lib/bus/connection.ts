/** The connection to NATS: it reconnects for ever, says whether it is there, and waits out short outages. */
import {
  type ConnectionOptions,
  connect,
  Events,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
} from 'nats';
import { abortFault, Fault, type FaultKind } from '#lib/fault/fault.ts';
import { raceAbort, sleep } from '#lib/flow/abortable.ts';
import { BUS_DEFAULTS, type BusConfig, toConnectionOptions } from './bus-config.ts';
import { busFault, closedFault, isTransient, lostFault } from './bus-fault.ts';

const JETSTREAM_PAUSE_MS = 250;
/** Bounds one wait only; waiting goes on for as long as the patience lasts. */
const LONGEST_PAUSE_MS = 60_000;

/** What no waiting mends when a server is connected to: the caller stopped, or the configuration is wrong. */
const HOPELESS: ReadonlySet<FaultKind> = new Set(['cancelled', 'late', 'unauthenticated', 'precondition']);

/** What happens to the connection, for logs and metrics. */
export type BusEvent =
  | { readonly type: 'connected' | 'disconnected' | 'reconnected' }
  | { readonly type: 'failed' | 'closed'; readonly fault: Fault };

export interface BusDeps {
  readonly onEvent?: (event: BusEvent) => void;
}

export interface CallPatience {
  readonly signal?: AbortSignal;
  /** How long to wait for a server that is away; Infinity means for as long as the connection is not closed. */
  readonly patienceMs?: number;
}

export interface Bus {
  readonly requestTimeoutMs: number;
  /** Whether the server can be reached now; the readiness of a process that needs the bus. */
  isConnected(): boolean;
  /** Aborted, with the Fault, once the connection is closed: nothing will come or go any more. */
  readonly closed: AbortSignal;
  /** Calls the listener after each reconnection, when messages may have been missed. Returns how to stop that. */
  onReconnect(listener: () => void): () => void;
  /**
   * Runs one idempotent exchange with the server and, while the server is away, runs it again when it is back.
   * Throws a Fault: BUS_LOST when the patience ended, BUS_CLOSED, or what the server's answer means.
   */
  call<T>(during: string, exchange: () => Promise<T>, patience?: CallPatience): Promise<T>;
  /** Calls the listener for each message on a core NATS subject; some may be missed. Returns how to stop that. */
  listen(subject: string, listener: () => void): () => void;
  /** Publishes an empty message on a core NATS subject, if the server is there. */
  tell(subject: string): void;
  /** Sends what is buffered, ends the subscriptions and closes. Closes hard when that takes longer than `limitMs`. */
  drain(limitMs?: number): Promise<void>;
  /** The client's own objects. For lib/bus alone. */
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
}

/**
 * Connects to NATS.
 *
 * @param options.signal ends the waiting for a server that is not there yet; not the connection.
 * @throws Fault BUS_UNREACHABLE, BUS_UNAUTHORIZED, BUS_TLS_FAILED, BUS_URL_INVALID
 */
export async function connectBus(
  config: BusConfig,
  deps: BusDeps = {},
  options: { readonly signal?: AbortSignal } = {},
): Promise<Bus> {
  const connectionOptions = toConnectionOptions(config);
  const giveUpAt = Date.now() + (config.startPatienceMs ?? BUS_DEFAULTS.startPatienceMs);
  for (let attempt = 1; ; attempt++) {
    try {
      const connecting = connect(connectionOptions);
      return await createBus(
        await (options.signal ? raceOrClose(connecting, options.signal) : connecting),
        config,
        deps,
      );
    } catch (error) {
      const fault = busFault(error, 'connecting');
      if (HOPELESS.has(fault.kind)) throw fault;
      if (Date.now() >= giveUpAt) throw unreachable(connectionOptions, error);
      await sleep(Math.min(250 * attempt, 2_000, giveUpAt - Date.now()), options.signal);
    }
  }
}

async function raceOrClose(
  connecting: Promise<NatsConnection>,
  signal: AbortSignal,
): Promise<NatsConnection> {
  try {
    return await raceAbort(connecting, signal);
  } catch (error) {
    void connecting.then(
      (connection) => connection.close(),
      () => undefined,
    );
    throw error;
  }
}

function unreachable(options: ConnectionOptions, cause: unknown): Fault {
  const servers = [options.servers ?? []].flat().join(', ');
  return new Fault(
    'unavailable',
    'BUS_UNREACHABLE',
    `no NATS server answers at ${servers}; start one with "nats-server -js" or correct the URL`,
    { cause, retryAfterMs: 1_000 },
  );
}

async function createBus(nats: NatsConnection, config: BusConfig, deps: BusDeps): Promise<Bus> {
  const requestTimeoutMs = config.requestTimeoutMs ?? BUS_DEFAULTS.requestTimeoutMs;
  const defaultPatienceMs = config.patienceMs ?? BUS_DEFAULTS.patienceMs;
  const report = deps.onEvent ?? (() => undefined);
  const closed = new AbortController();
  const reconnectListeners = new Set<() => void>();
  /** The present state of the link; its signal aborts when the state changes. */
  let link = { up: true, over: new AbortController() };

  function setLink(up: boolean, why: Fault): void {
    const before = link;
    link = { up, over: new AbortController() };
    before.over.abort(why);
  }

  async function followStatus(): Promise<void> {
    for await (const status of nats.status()) {
      if (status.type === Events.Disconnect && link.up) {
        setLink(false, lostFault());
        report({ type: 'disconnected' });
      } else if (status.type === Events.Reconnect) {
        setLink(true, lostFault());
        report({ type: 'reconnected' });
        for (const listener of [...reconnectListeners]) listener();
      } else if (status.type === Events.Error) {
        const text = String(status.data);
        report({
          type: 'failed',
          fault: new Fault('unavailable', 'BUS_ERROR', 'NATS reports an error', { cause: text }),
        });
      }
    }
  }
  void followStatus();
  void nats.closed().then((error) => {
    const fault = closedFault(error);
    setLink(false, fault);
    closed.abort(fault);
    report({ type: 'closed', fault });
  });
  report({ type: 'connected' });

  /** The exchange's result, or BUS_LOST as soon as the connection drops: its answer would never come. */
  async function exchangeOnce<T>(exchange: () => Promise<T>): Promise<T> {
    if (closed.signal.aborted) throw closed.signal.reason;
    if (!link.up) throw lostFault();
    return await raceAbort(exchange(), link.over.signal);
  }

  /** Waits for the link to come back, or a little when it is there but JetStream is not. */
  async function pause(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (link.up) return await sleep(Math.min(limitMs, JETSTREAM_PAUSE_MS), signal);
    const over = signal === undefined ? link.over.signal : AbortSignal.any([signal, link.over.signal]);
    try {
      await sleep(Math.min(limitMs, LONGEST_PAUSE_MS), over);
    } catch (error) {
      if (signal?.aborted) throw error;
    }
  }

  async function call<T>(
    during: string,
    exchange: () => Promise<T>,
    patience: CallPatience = {},
  ): Promise<T> {
    const { signal } = patience;
    const giveUpAt = Date.now() + (patience.patienceMs ?? defaultPatienceMs);
    for (;;) {
      if (signal?.aborted) throw abortFault(signal);
      try {
        const result = exchangeOnce(exchange);
        return await (signal === undefined ? result : raceAbort(result, signal));
      } catch (error) {
        const fault = busFault(error, during);
        const leftMs = giveUpAt - Date.now();
        if (!isTransient(fault) || closed.signal.aborted || leftMs <= 0) throw fault;
        await pause(leftMs, signal);
      }
    }
  }

  async function drain(limitMs = 5_000): Promise<void> {
    if (nats.isClosed()) return;
    if (link.up) {
      try {
        await raceAbort(nats.drain(), AbortSignal.timeout(limitMs));
      } catch (error) {
        report({ type: 'failed', fault: busFault(error, 'draining') });
      }
    }
    if (!nats.isClosed()) await nats.close();
  }

  const manager = await nats.jetstreamManager({ checkAPI: false, timeout: requestTimeoutMs });
  return {
    requestTimeoutMs,
    isConnected: () => link.up,
    closed: closed.signal,
    onReconnect(listener) {
      reconnectListeners.add(listener);
      return () => reconnectListeners.delete(listener);
    },
    call,
    listen(subject, listener) {
      if (closed.signal.aborted) throw closed.signal.reason;
      const subscription = nats.subscribe(subject, { callback: listener });
      return () => {
        if (!nats.isClosed()) subscription.unsubscribe();
      };
    },
    tell(subject) {
      if (link.up && !nats.isDraining()) nats.publish(subject);
    },
    drain,
    nats,
    jetstream: nats.jetstream({ timeout: requestTimeoutMs }),
    manager,
  };
}
