/** Serving one call: from request bytes through the implementation to response bytes. */
import type { DescMethod } from '@bufbuild/protobuf';
import { abortFault, Fault, toFault } from '#lib/fault/fault.ts';
import { pump } from '#lib/flow/pump.ts';
import { type Message, type MessageInit, type MethodFunction, takesStream } from './binding.ts';
import { type CallHook, type CallObserver, observe, runStep } from './call-hook.ts';
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
    const requests = requestsOf(call, method, observer);
    const input = takesStream(method) ? requests : await onlyRequest(requests, method);
    const result = runStep(observer, () => implementation(input, call.context));
    const outcome = await respond(call, method, result, observer, config.maxMessageBytes);
    fault = outcome.fault;
    call.finish(fault);
    await outcome.settled;
  } catch (error) {
    fault = toFault(error);
    call.finish(fault);
  }
  observer.onEnd?.(signal.aborted ? abortFault(signal) : fault);
}

interface Outcome {
  readonly fault?: Fault;
  readonly settled?: Promise<void>;
}

async function respond(
  call: ServerCall,
  method: DescMethod,
  result: Promise<MessageInit> | AsyncIterable<MessageInit>,
  observer: CallObserver,
  maxMessageBytes: number,
): Promise<Outcome> {
  function send(response: MessageInit): Promise<void> {
    const bytes = encode(method.output, response, 'response', maxMessageBytes);
    observer.onMessage?.('response', bytes.length);
    return call.send(bytes);
  }

  if (Symbol.asyncIterator in result) {
    const iterator = result[Symbol.asyncIterator]();
    const pull = () => runStep(observer, () => iterator.next());
    return pump(iterator, { send, over: call.context.signal }, pull);
  }
  await send(await result);
  return {};
}

function requestsOf(
  call: ServerCall,
  method: DescMethod,
  observer: CallObserver,
): AsyncIterableIterator<Message> {
  return {
    async next() {
      const bytes = await call.read();
      if (bytes === undefined) return { done: true, value: undefined };
      observer.onMessage?.('request', bytes.length);
      return { done: false, value: decode(method.input, bytes, 'request') };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function onlyRequest(requests: AsyncIterator<Message>, method: DescMethod): Promise<Message> {
  const first = await requests.next();
  if (!first.done && (await requests.next()).done) return first.value;
  const count = first.done ? 'no request' : 'more than one request';
  throw new Fault('invalid', 'REQUEST_COUNT', `${method.name} got ${count}; send one`);
}
