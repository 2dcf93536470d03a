/** Serving one call: from request bytes through the implementation to response bytes. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DescMethod } from '@bufbuild/protobuf';
import { abortFault, Fault, toFault } from '#lib/fault/fault.ts';
import { pump } from '#lib/flow/pump.ts';
import { type Message, type MessageInit, type MethodFunction, takesStream } from './binding.ts';
import { type CallHook, type Observation, observe } from './call-hook.ts';
import { decode, encode } from './codec.ts';
import type { ServerCall } from './server-call.ts';

export interface AnswerConfig {
  readonly maxMessageBytes: number;
  readonly onCall: CallHook | undefined;
}

/**
 * Runs the implementation for one call. Resolves when it has ended, which may be after the client has its
 * answer; never rejects. Whatever it throws reaches the client as a Fault.
 */
export async function answer(
  call: ServerCall,
  method: DescMethod,
  implementation: MethodFunction,
  config: AnswerConfig,
): Promise<void> {
  const { signal } = call.context;
  const observer = observe(config.onCall, {
    binding: 'serve',
    service: method.parent.typeName,
    method: method.name,
    kind: method.methodKind,
    metadata: new Map(call.context.metadata),
  });
  let fault: Fault | undefined;
  try {
    const receive = (bytes: Buffer): Message => {
      observer.onMessage('request', bytes.length);
      return decode(method.input, bytes, 'request');
    };
    const input = takesStream(method) ? requestsOf(call, receive) : receive(await onlyRequest(call, method));
    const result = observer.run(() => implementation(input, call.context));
    const outcome = await respond(call, method, result, observer, config.maxMessageBytes);
    fault = outcome.fault;
    call.finish(fault);
    await outcome.settled;
  } catch (error) {
    fault = toFault(error);
    call.finish(fault);
  }
  observer.onEnd(signal.aborted ? abortFault(signal) : fault);
}

interface Outcome {
  readonly fault?: Fault;
  readonly settled?: Promise<void>;
}

async function respond(
  call: ServerCall,
  method: DescMethod,
  result: Promise<MessageInit> | AsyncIterable<MessageInit>,
  observer: Observation,
  maxMessageBytes: number,
): Promise<Outcome> {
  function send(response: MessageInit): Promise<void> {
    const bytes = encode(method.output, response, 'response', maxMessageBytes);
    observer.onMessage('response', bytes.length);
    return call.send(bytes);
  }

  if (Symbol.asyncIterator in result) {
    const iterator = result[Symbol.asyncIterator]();
    const pull = () => observer.run(() => iterator.next());
    return pump(iterator, { send, over: call.context.signal }, pull);
  }
  await send(await result);
  return {};
}

function requestsOf(call: ServerCall, receive: (bytes: Buffer) => Message): AsyncIterableIterator<Message> {
  const { signal } = call.context;
  return {
    async next() {
      const bytes = await call.read();
      if (bytes !== undefined) return { done: false, value: receive(bytes) };
      // When a client resets a stream, HTTP/2 libraries report its end first.
      await nextTurn();
      if (signal.aborted) throw abortFault(signal);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function onlyRequest(call: ServerCall, method: DescMethod): Promise<Buffer> {
  const request = await call.read();
  if (request !== undefined && (await call.read()) === undefined) return request;
  const count = request === undefined ? 'no request' : 'more than one request';
  throw new Fault('invalid', 'REQUEST_COUNT', `${method.name} got ${count}; send one`);
}
