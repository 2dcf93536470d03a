/** A typed client of a service in this process: direct calls with the semantics of remote ones. */
import { create, type DescMessage, type DescMethod } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import { Fault, toFault } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import { release } from '#lib/flow/release.ts';
import {
  bind,
  type Message,
  type MessageInit,
  type MethodFunction,
  returnsStream,
  takesStream,
} from './binding.ts';
import { type CallHook, observe } from './call-hook.ts';
import { clientOf } from './client-of.ts';
import { type Direction, decode, encode } from './codec.ts';
import { lazyStream, type StreamSource } from './lazy-stream.ts';
import { DEFAULT_RPC_LIMITS } from './limits.ts';
import { beginLocalCall } from './local-call.ts';
import { localRequests } from './local-requests.ts';
import type { CallOptions, ServiceClient, ServiceImpl } from './service-types.ts';

export interface LocalConfig {
  /** Encode and decode every message, as the wire would: for tests, which then find what only a wire shows. */
  readonly roundTrip?: boolean;
  readonly onCall?: CallHook;
}

/**
 * A client that calls the implementation directly. Deadlines, cancellation, faults and the life of streams are
 * those of `connect`; messages pass by reference and are read-only by contract on both sides, and their size has
 * no limit. There is no buffer: a request is pulled when the implementation reads, a response when the caller
 * does.
 */
export function local<S extends GenService<GenServiceMethods>>(
  descriptor: S,
  implementation: ServiceImpl<S>,
  config: LocalConfig = {},
): ServiceClient<S> {
  const { methods } = bind(descriptor, implementation);
  return clientOf(descriptor, (method) => {
    const start = (input: Input, options?: CallOptions) =>
      begin(method, methods.get(method)!, config, input, options);
    return returnsStream(method)
      ? (input: Input, options?: CallOptions) => lazyStream(() => streamSource(start(input, options)))
      : async (input: Input, options?: CallOptions) => onlyResponse(start(input, options));
  });
}

type Input = MessageInit | AsyncIterable<MessageInit>;

/** A call that has started: what the implementation returned, and how its messages reach the caller. */
interface Started {
  readonly result: Promise<MessageInit> | AsyncIterable<MessageInit>;
  readonly signal: AbortSignal;
  /** One step of the implementation, in the observer's context. */
  step<T>(run: () => T): T;
  toResponse(message: MessageInit): Message;
  succeed(): void;
  /** Ends the call; returns the fault for the caller. */
  fail(error: unknown): Fault;
  cancel(fault: Fault): void;
}

function begin(
  method: DescMethod,
  run: MethodFunction,
  config: LocalConfig,
  input: Input,
  options: CallOptions = {},
): Started {
  const call = beginLocalCall(options, (metadata) =>
    observe(config.onCall, {
      binding: 'local',
      service: method.parent.typeName,
      method: method.name,
      kind: method.methodKind,
      metadata,
    }),
  );

  function pass(schema: DescMessage, message: MessageInit, direction: Direction): Message {
    call.observer.onMessage(direction, undefined);
    if (!config.roundTrip) return create(schema, message);
    return decode(schema, encode(schema, message, direction, DEFAULT_RPC_LIMITS.maxMessageBytes), direction);
  }

  const toRequest = (message: MessageInit): Message => pass(method.input, message, 'request');
  const requests = takesStream(method)
    ? localRequests(call, input as AsyncIterable<MessageInit>, toRequest)
    : undefined;

  function succeed(): void {
    requests?.stop();
    call.end();
  }

  function fail(error: unknown): Fault {
    requests?.stop();
    const fault = requests?.fault ?? toFault(error);
    call.end(fault);
    return fault;
  }

  const step = <T>(next: () => T): T => call.observer.run(next);
  try {
    const request = requests ?? toRequest(input as MessageInit);
    return {
      result: step(() => run(request, call.context)),
      signal: call.context.signal,
      step,
      toResponse: (message) => pass(method.output, message, 'response'),
      succeed,
      fail,
      cancel: call.abort,
    };
  } catch (error) {
    throw fail(error);
  }
}

async function onlyResponse(started: Started): Promise<Message> {
  try {
    const result = await raceAbort(started.result as Promise<MessageInit>, started.signal);
    const response = started.toResponse(result);
    started.succeed();
    return response;
  } catch (error) {
    throw started.fail(error);
  }
}

function streamSource(started: Started): StreamSource<Message> {
  const iterator = (started.result as AsyncIterable<MessageInit>)[Symbol.asyncIterator]();
  return {
    async next() {
      try {
        const result = await raceAbort(
          started.step(() => iterator.next()),
          started.signal,
        );
        if (!result.done) return { done: false, value: started.toResponse(result.value) };
        started.succeed();
        return { done: true, value: undefined };
      } catch (error) {
        const fault = started.fail(error);
        void release(iterator, 'the end of a response stream');
        throw fault;
      }
    },
    /** Waits for the implementation's clean-up, since it runs in this process. */
    async stop() {
      const fault = new Fault('cancelled', 'CALLER_CANCELLED', 'the caller stopped reading');
      started.cancel(fault);
      started.fail(fault);
      await release(iterator, 'the end of a response stream');
    },
  };
}
