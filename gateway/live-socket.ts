/**
 * WS /v1/live: a live stream over a WebSocket, for browsers and voice agents. The caller sends its header as JSON
 * text first, then PCM as binary messages, `{"clear": true}` to interrupt and `{"end": true}` to finish. It
 * receives `{"started": …}`, media fragments as binary messages, `{"event": …}` and `{"summary": …}`; a problem
 * comes as `{"problem": …}` before the socket closes. The JSON forms are those of talkmesh.live.v1.
 *
 * Browsers cannot set headers, so the API key may travel as a subprotocol, "talkmesh.key.KEY".
 */
import { create, type JsonValue, toJson } from '@bufbuild/protobuf';
import type { WebSocket } from 'ws';
import {
  LiveHeaderSchema,
  type LiveInput,
  LiveInputSchema,
  type LiveOutput,
  LiveOutputSchema,
} from '#gen/talkmesh/live/v1/live_pb.ts';
import {
  type LiveRequest,
  LiveRequestSchema,
  type RenderService,
} from '#gen/talkmesh/render/v1/render_service_pb.ts';
import { Fault, invalidField, toFault } from '#lib/fault/fault.ts';
import { problemOf } from '#lib/fault/problem.ts';
import { type Channel, channel } from '#lib/flow/channel.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import type { GatewayConfig } from './config.ts';
import { tooSlow } from './end-when-unread.ts';
import { messageFromJson } from './http-exchange.ts';

const MESSAGES_AHEAD = 64;
/** Bytes that may wait in the socket before nothing more is sent. */
const HIGH_WATER_BYTES = 1 << 20;
const POLL_MS = 10;

/** WebSocket close codes: 1000 normal, 1008 the caller is at fault, 1011 the server is, 1013 try again later. */
const CLOSE = { done: 1000, refused: 1008, failed: 1011, busy: 1013 } as const;

export async function serveLiveSocket(
  socket: WebSocket,
  authorization: string | undefined,
  config: GatewayConfig,
  renders: ServiceClient<typeof RenderService>,
): Promise<void> {
  const gone = new AbortController();
  const requests = channel<LiveRequest>(MESSAGES_AHEAD);
  let ended = false;
  socket.on('close', () => gone.abort(new DOMException('the caller closed the socket', 'AbortError')));
  socket.on('error', (error) =>
    gone.abort(new Fault('cancelled', 'SOCKET_FAILED', 'the socket failed', { cause: error })),
  );
  receive(socket, requests, () => {
    ended = true;
  });
  const pulse = watchPulse(socket, config.slowClientTimeoutMs);
  try {
    const metadata: Record<string, string> = authorization === undefined ? {} : { authorization };
    for await (const { output } of renders.live(requests, { signal: gone.signal, metadata })) {
      await send(socket, output!, config.slowClientTimeoutMs, gone.signal);
    }
    socket.close(CLOSE.done);
  } catch (error) {
    if (gone.signal.aborted) return;
    const fault = toFault(error);
    socket.send(JSON.stringify({ problem: problemOf(fault).body }));
    socket.close(closeCode(fault), fault.reason);
  } finally {
    clearInterval(pulse);
    if (!ended) requests.close();
  }
}

/**
 * Lets go of a caller whose machine or network is gone: it closes nothing, and it answers no ping. While the socket
 * is paused an answer could not be read, so none is expected.
 */
function watchPulse(socket: WebSocket, everyMs: number): NodeJS.Timeout {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  return setInterval(() => {
    if (!alive && !socket.isPaused) socket.terminate();
    alive = socket.isPaused;
    socket.ping();
  }, everyMs);
}

/** Messages in order; while the channel is full the socket is paused, so that the caller feels it. */
function receive(socket: WebSocket, requests: Channel<LiveRequest>, onEnd: () => void): void {
  let first = true;
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    try {
      const request = isBinary
        ? inputRequest({ input: { case: 'voice', value: data } })
        : parseText(data, first);
      first = false;
      if (request === 'end') {
        onEnd();
        requests.close();
        return;
      }
      socket.pause();
      requests.push(request).then(
        () => socket.resume(),
        (error: unknown) => requests.fail(error),
      );
    } catch (error) {
      requests.fail(error);
    }
  });
}

function parseText(data: Buffer, first: boolean): LiveRequest | 'end' {
  let json: JsonValue;
  try {
    json = JSON.parse(data.toString('utf8')) as JsonValue;
  } catch (cause) {
    throw invalidField(
      'MESSAGE_NOT_JSON',
      'message',
      'a text message is JSON; speech is sent as binary messages',
      cause,
    );
  }
  if (first) {
    return create(LiveRequestSchema, {
      part: { case: 'header', value: messageFromJson(LiveHeaderSchema, json) },
    });
  }
  if (typeof json === 'object' && json !== null && 'end' in json) return 'end';
  return inputRequest(messageFromJson(LiveInputSchema, json));
}

function inputRequest(input: Pick<LiveInput, 'input'>): LiveRequest {
  return create(LiveRequestSchema, { part: { case: 'input', value: create(LiveInputSchema, input) } });
}

/**
 * Sends one message when the socket has room. A caller that makes no room is let go: its stream would hold a
 * place that others wait for.
 */
async function send(
  socket: WebSocket,
  message: LiveOutput,
  slowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = performance.now() + slowMs;
  while (socket.bufferedAmount > HIGH_WATER_BYTES && !signal.aborted) {
    if (performance.now() > giveUpAt) throw tooSlow(slowMs);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const { output } = message;
  if (output.case === 'fragment') socket.send(output.value.data, { binary: true });
  else socket.send(JSON.stringify(toJson(LiveOutputSchema, message, { alwaysEmitImplicit: true })));
}

function closeCode({ kind }: Fault): number {
  if (kind === 'saturated' || kind === 'unavailable') return CLOSE.busy;
  return kind === 'internal' || kind === 'corrupt' ? CLOSE.failed : CLOSE.refused;
}
