/**
 * The work queue of renders, stream TALKMESH_RENDERS: one message for each render that is not done. A message
 * only names a render; what is true of it is in its record.
 */
import { createInbox, headers, type Msg, nanos } from 'nats';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { busFault } from './bus-fault.ts';
import type { Bus } from './connection.ts';
import { isRenderId } from './render-id.ts';
import { deleteMessage, readMessage } from './stored-message.ts';
import { checkTenant } from './tenant.ts';
import { RENDER_WORKERS, RENDERS_STREAM, RENDERS_SUBJECT } from './topology.ts';

export interface RenderQueueConfig {
  /** How long one request for work stays with the server. */
  readonly pullMs?: number;
}

/** One delivery of one render to this process. */
export interface Delivery {
  readonly tenant: string;
  readonly renderId: string;
  /** When the render was queued, epoch milliseconds. */
  readonly queuedAtMs: number;
  /** What was enqueued beside the reference: the trace context. */
  readonly headers: ReadonlyMap<string, string>;
  /** Tells the server that this process is still at work. Must be called more often than ackWaitMs. */
  working(): void;
  /** The render needs no more work. Resolves when the server knows. */
  done(): Promise<void>;
  /** Like `done`, because it was given up: the server sends an advisory. */
  terminate(): Promise<void>;
  /** Deliver again, to any worker, not before the delay. */
  again(delayMs: number): Promise<void>;
}

export interface QueueDepth {
  /** Renders that no worker has taken yet. */
  readonly waitingCount: number;
  /**
   * Renders that a worker holds, or that wait for their next delivery. After a crash of the server it may count
   * some that are done: JetStream writes down deliveries and deletions at different times.
   */
  readonly heldCount: number;
  /** Age of the render that has waited longest without being taken, in milliseconds; zero when none waits. */
  readonly oldestWaitingMs: number;
}

export interface ConsumeOptions {
  /** Deliveries handled at once. */
  readonly concurrency: number;
  /** Stops taking deliveries. Those taken are still handled. */
  readonly signal: AbortSignal;
  /** Handles a delivery and settles it. What it throws goes to `onError`; the delivery then comes again. */
  readonly handle: (delivery: Delivery) => Promise<void>;
  readonly onError?: (fault: Fault) => void;
}

export interface RenderQueue {
  /** Queues a render; again within two minutes it is queued once. */
  enqueue(tenant: string, renderId: string, messageHeaders?: Readonly<Record<string, string>>): Promise<void>;
  /** Takes a render out of the queue, whether it waits or is being worked on. */
  remove(tenant: string, renderId: string): Promise<void>;
  /** Handles deliveries until the signal aborts or the bus is closed, and what was taken is handled. */
  consume(options: ConsumeOptions): Promise<void>;
  depth(): Promise<QueueDepth>;
}

const DEFAULT_PULL_MS = 10_000;
const PAUSE_AFTER_REFUSAL_MS = 500;
const NEXT_SUBJECT = `$JS.API.CONSUMER.MSG.NEXT.${RENDERS_STREAM}.${RENDER_WORKERS}`;

export function createRenderQueue(bus: Bus, config: RenderQueueConfig = {}): RenderQueue {
  const pullMs = config.pullMs ?? DEFAULT_PULL_MS;
  const { consumers } = bus.manager;

  async function settle(message: Msg, answer: string, during: string): Promise<void> {
    const { reply } = message;
    if (reply === undefined)
      throw new Fault('internal', 'DELIVERY_BROKEN', 'a delivery has no reply subject');
    // Answered by the server, so that a lost answer is sent again. It also answers for what is settled already.
    const exchange = () => bus.nats.request(reply, answer, { timeout: bus.requestTimeoutMs });
    await bus.call(during, exchange, { patienceMs: Number.POSITIVE_INFINITY });
  }

  function toDelivery(message: Msg): Delivery | undefined {
    const [tenant = '', renderId = '', ...rest] = message.subject
      .slice(RENDERS_SUBJECT.length + 1)
      .split('.');
    if (rest.length > 0 || tenant === '' || !isRenderId(renderId)) return undefined;
    return {
      tenant,
      renderId,
      queuedAtMs: storedAtMs(message),
      headers: new Map(
        (message.headers?.keys() ?? []).map((key) => [key.toLowerCase(), message.headers!.get(key)]),
      ),
      working() {
        if (!bus.nats.isClosed() && !bus.nats.isDraining()) message.respond('+WPI');
      },
      done: () => settle(message, '+ACK', 'settling a render'),
      // With a reason behind it, nats-server before 2.10.4 does not know the word.
      terminate: () => settle(message, '+TERM', 'giving a render up'),
      again: (delayMs) =>
        settle(message, `-NAK {"delay":${nanos(Math.max(1, Math.round(delayMs)))}}`, 'putting a render back'),
    };
  }

  async function handleNext(options: ConsumeOptions): Promise<void> {
    const message = await pullOne(bus, pullMs, options.signal);
    if (message === undefined) return;
    const delivery = toDelivery(message);
    if (delivery !== undefined) return await options.handle(delivery);
    await settle(message, '+TERM', 'refusing a message');
    throw new Fault(
      'invalid',
      'MESSAGE_MALFORMED',
      'a message in the work queue names no render; it was removed',
    );
  }

  async function serve(options: ConsumeOptions): Promise<void> {
    while (!options.signal.aborted && !bus.closed.aborted) {
      try {
        await handleNext(options);
      } catch (error) {
        if (options.signal.aborted || bus.closed.aborted) return;
        options.onError?.(busFault(error, 'taking renders'));
        await sleep(PAUSE_AFTER_REFUSAL_MS, options.signal).catch(() => undefined);
      }
    }
  }

  return {
    async enqueue(tenant, renderId, messageHeaders = {}) {
      const carried = headers();
      for (const [name, value] of Object.entries(messageHeaders)) carried.set(name, value);
      const subject = `${RENDERS_SUBJECT}.${checkTenant(tenant)}.${renderId}`;
      const options = { msgID: renderId, headers: carried };
      await bus.call('queueing a render', () => bus.jetstream.publish(subject, new Uint8Array(), options));
    },

    async remove(tenant, renderId) {
      // Not by a purge of the subject: nats-server 2.9 then skips every message that waits.
      const query = { last_by_subj: `${RENDERS_SUBJECT}.${checkTenant(tenant)}.${renderId}` };
      const during = 'taking a render out of the queue';
      const message = await readMessage(bus, RENDERS_STREAM, query, during);
      if (message !== undefined) await deleteMessage(bus, RENDERS_STREAM, message.seq, false, during);
    },

    async consume(options) {
      await Promise.all(Array.from({ length: options.concurrency }, () => serve(options)));
    },

    async depth() {
      const info = await bus.call('reading the queue depth', () =>
        consumers.info(RENDERS_STREAM, RENDER_WORKERS),
      );
      return {
        waitingCount: info.num_pending,
        heldCount: info.num_ack_pending,
        oldestWaitingMs: info.num_pending === 0 ? 0 : await oldestAgeMs(info.delivered.stream_seq + 1),
      };
    },
  };

  async function oldestAgeMs(sequence: number): Promise<number> {
    const query = { seq: sequence, next_by_subj: `${RENDERS_SUBJECT}.>` };
    const message = await readMessage(bus, RENDERS_STREAM, query, 'reading the queue age');
    return message === undefined ? 0 : Math.max(0, Date.now() - message.time.getTime());
  }
}

/**
 * Asks the server for one message and waits for it. Undefined when there was none, the signal aborted, or the
 * connection dropped. Only as many messages are asked for as can be handled at once, as each that arrives must
 * be kept alive by heartbeats.
 */
async function pullOne(bus: Bus, pullMs: number, signal: AbortSignal): Promise<Msg | undefined> {
  const answer = Promise.withResolvers<Msg | undefined>();
  const inbox = createInbox();
  const subscription = bus.nats.subscribe(inbox, {
    max: 1,
    callback: (error, message) => (error === null ? answer.resolve(message) : answer.reject(error)),
  });
  const stop = new AbortController();
  const stopListening = bus.onReconnect(() => answer.resolve(undefined));
  // The server answers when the time is over; a little more, and the request was lost.
  const over = AbortSignal.any([signal, bus.closed, stop.signal]);
  const expired = sleep(pullMs + 2_000, over).then(
    () => undefined,
    () => undefined,
  );
  try {
    bus.nats.publish(NEXT_SUBJECT, JSON.stringify({ batch: 1, expires: nanos(pullMs) }), { reply: inbox });
    const message = await Promise.race([answer.promise, expired]);
    if (message !== undefined && (message.headers?.code ?? 0) !== 0) return refusal(message);
    return message;
  } finally {
    stop.abort();
    stopListening();
    // The server drops a request whose inbox nobody reads.
    subscription.unsubscribe();
  }
}

/** What a status instead of a message means: nothing to do, or a reason to pause. */
function refusal(status: Msg): undefined {
  const code = status.headers?.code ?? 0;
  // 404 no messages, 408 time is over. 409 is a limit, a missing consumer, or a server that stops.
  if (code === 404 || code === 408) return undefined;
  throw new Fault('unavailable', 'BUS_NO_JETSTREAM', `JetStream refuses to deliver renders (status ${code})`);
}

/** When the server stored the message, from its reply subject: $JS.ACK, ten or more tokens, nanoseconds. */
function storedAtMs(message: Msg): number {
  const tokens = (message.reply ?? '').split('.');
  // $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>, or with the domain
  // and the account before the stream.
  const nanoseconds = tokens[tokens.length === 9 ? 7 : 9] ?? '0';
  return Number(BigInt(nanoseconds) / 1_000_000n);
}
