/** The four kinds of RPC over the connections of a client. */
import type { DescMethod } from '@bufbuild/protobuf';
import { abortFault, Fault, toFault } from '#lib/fault/fault.ts';
import { pump } from '#lib/flow/pump.ts';
import { type Message, type MessageInit, pathOf, returnsStream } from './binding.ts';
import { type CallHook, observe } from './call-hook.ts';
import { deadlineOf } from './call-options.ts';
import type { ChannelPool } from './channel-pool.ts';
import { type ClientCall, openCall } from './client-call.ts';
import { decode, encode } from './codec.ts';
import { lazyStream } from './lazy-stream.ts';
import { checkMetadata, metadataMap } from './metadata.ts';
import { type RetryPolicy, retryUnavailable } from './retry.ts';
import type { CallOptions } from './service-types.ts';

/** What the methods of one connection share. */
export interface Remote {
  readonly channels: ChannelPool;
  readonly maxMessageBytes: number;
  readonly retry: RetryPolicy;
  readonly waitForReady: boolean;
  readonly onCall: CallHook | undefined;
  /** The calls that are running. */
  readonly running: Set<ClientCall>;
}

/** The client function of one RPC. */
export function remoteMethod(remote: Remote, method: DescMethod): (...call: never[]) => unknown {
  switch (method.methodKind) {
    case 'unary':
      return (request: MessageInit, options?: CallOptions) => unary(remote, method, request, options);
    case 'client_streaming':
      return (requests: AsyncIterable<MessageInit>, options?: CallOptions) =>
        clientStreaming(remote, method, requests, options);
    case 'server_streaming':
      return (request: MessageInit, options?: CallOptions) =>
        responses(remote, method, options, (invocation) => {
          const bytes = invocation.encode(request);
          const call = invocation.open();
          sendOnly(call, bytes);
          return call;
        });
    case 'bidi_streaming':
      return (requests: AsyncIterable<MessageInit>, options?: CallOptions) =>
        responses(remote, method, options, (invocation) => {
          const call = invocation.open();
          sendAll(call, requests, invocation);
          return call;
        });
  }
}

/** One call as its caller sees it: a unary one may take several attempts, each a call on the wire. */
interface Invocation {
  readonly deadlineMs: number | undefined;
  encode(request: MessageInit): Buffer;
  decode(bytes: Buffer): Message;
  open(): ClientCall;
  /** Tells the observer, once, that it is over. */
  end(fault?: Fault): void;
}

function invoke(remote: Remote, method: DescMethod, options: CallOptions): Invocation {
  const { signal } = options;
  const metadata = metadataMap(options.metadata);
  const deadlineMs = deadlineOf(options.timeoutMs);
  if (signal?.aborted) throw abortFault(signal);
  const observer = observe(remote.onCall, {
    binding: 'connect',
    service: method.parent.typeName,
    method: method.name,
    kind: method.methodKind,
    metadata,
  });
  let ended = false;

  return {
    deadlineMs,
    encode(request) {
      const bytes = encode(method.input, request, 'request', remote.maxMessageBytes);
      observer.onMessage('request', bytes.length);
      return bytes;
    },
    decode(bytes) {
      observer.onMessage('response', bytes.length);
      return decode(method.output, bytes, 'response');
    },
    open() {
      checkMetadata(metadata);
      const { channel, release } = remote.channels.lease(returnsStream(method));
      const call = openCall(channel, {
        path: pathOf(method),
        metadata,
        deadlineMs,
        waitForReady: remote.waitForReady,
        maxMessageBytes: remote.maxMessageBytes,
      });
      const onAbort = (): void => call.cancel(abortFault(signal!));
      signal?.addEventListener('abort', onAbort, { once: true });
      remote.running.add(call);
      call.over.addEventListener('abort', () => {
        signal?.removeEventListener('abort', onAbort);
        remote.running.delete(call);
        release();
      });
      return call;
    },
    end(fault) {
      if (ended) return;
      ended = true;
      observer.onEnd(fault);
    },
  };
}

async function unary(
  remote: Remote,
  method: DescMethod,
  request: MessageInit,
  options: CallOptions = {},
): Promise<Message> {
  const invocation = invoke(remote, method, options);
  return settle(invocation, async () => {
    const bytes = invocation.encode(request);
    const attempt = (): Promise<Buffer> => {
      const call = invocation.open();
      sendOnly(call, bytes);
      return onlyResponse(call, method);
    };
    const reply = await retryUnavailable(attempt, remote.retry, invocation.deadlineMs, options.signal);
    return invocation.decode(reply);
  });
}

async function clientStreaming(
  remote: Remote,
  method: DescMethod,
  requests: AsyncIterable<MessageInit>,
  options: CallOptions = {},
): Promise<Message> {
  const invocation = invoke(remote, method, options);
  return settle(invocation, async () => {
    const call = invocation.open();
    sendAll(call, requests, invocation);
    return invocation.decode(await onlyResponse(call, method));
  });
}

function responses(
  remote: Remote,
  method: DescMethod,
  options: CallOptions = {},
  start: (invocation: Invocation) => ClientCall,
): AsyncIterableIterator<Message> {
  return lazyStream(() => {
    const invocation = invoke(remote, method, options);
    let call: ClientCall;
    try {
      call = start(invocation);
    } catch (error) {
      const fault = toFault(error);
      invocation.end(fault);
      throw fault;
    }
    return {
      async next(): Promise<IteratorResult<Message>> {
        try {
          const bytes = await call.read();
          if (bytes !== undefined) return { done: false, value: invocation.decode(bytes) };
          invocation.end();
          return { done: true, value: undefined };
        } catch (error) {
          const fault = toFault(error);
          call.cancel(fault);
          invocation.end(fault);
          throw fault;
        }
      },
      async stop() {
        const fault = new Fault('cancelled', 'CALLER_CANCELLED', 'the caller stopped reading');
        call.cancel(fault);
        invocation.end(fault);
      },
    };
  });
}

function sendOnly(call: ClientCall, bytes: Buffer): void {
  void call.send(bytes);
  call.halfClose();
}

function sendAll(call: ClientCall, requests: AsyncIterable<MessageInit>, invocation: Invocation): void {
  const outlet = {
    send: (request: MessageInit) => call.send(invocation.encode(request)),
    over: call.over,
  };
  void pump(requests[Symbol.asyncIterator](), outlet).then(({ fault }) => {
    if (fault === undefined) call.halfClose();
    else call.cancel(fault);
  });
}

/** The response of a call that has exactly one. */
async function onlyResponse(call: ClientCall, method: DescMethod): Promise<Buffer> {
  const response = await call.read();
  if (response !== undefined && (await call.read()) === undefined) return response;
  const count = response === undefined ? 'no response' : 'more than one response';
  const fault = new Fault('internal', 'RESPONSE_COUNT', `${method.name} sent ${count}; it must send one`);
  call.cancel(fault);
  throw fault;
}

async function settle<T>(invocation: Invocation, body: () => Promise<T>): Promise<T> {
  try {
    const result = await body();
    invocation.end();
    return result;
  } catch (error) {
    const fault = toFault(error);
    invocation.end(fault);
    throw fault;
  }
}
