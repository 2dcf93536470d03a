/**
 * The types that make one service interface serve three bindings: `serve` (grpc-js), `connect` (remote client)
 * and `local` (direct call). An implementation and a client of the same descriptor differ only in who passes
 * the context.
 */
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';

/** What a method knows of its call. The signal aborts on cancellation, deadline and lost connection. */
export interface CallContext {
  readonly signal: AbortSignal;
  /** Absolute deadline in epoch milliseconds, when the caller set one. */
  readonly deadlineMs: number | undefined;
  /** Request metadata with lower-case names, text values only. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** What a caller may say of a call. Metadata carries trace context and the tenant. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Promise<MessageInitShape<O>>;
type ServerStreaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<O>>;
type ClientStreaming<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: CallContext,
) => Promise<MessageInitShape<O>>;
type BidiStreaming<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<O>>;

type MethodImpl<M extends DescMethod> = M extends { methodKind: 'unary' }
  ? Unary<M['input'], M['output']>
  : M extends { methodKind: 'server_streaming' }
    ? ServerStreaming<M['input'], M['output']>
    : M extends { methodKind: 'client_streaming' }
      ? ClientStreaming<M['input'], M['output']>
      : BidiStreaming<M['input'], M['output']>;

/** What `createXService` returns: one function for each RPC, named as in the descriptor's `method` map. */
export type ServiceImpl<S extends GenService<GenServiceMethods>> = {
  readonly [K in keyof S['method']]: MethodImpl<S['method'][K]>;
};

type MethodClient<M extends DescMethod> = M extends { methodKind: 'unary' }
  ? (request: MessageInitShape<M['input']>, options?: CallOptions) => Promise<MessageShape<M['output']>>
  : M extends { methodKind: 'server_streaming' }
    ? (
        request: MessageInitShape<M['input']>,
        options?: CallOptions,
      ) => AsyncIterable<MessageShape<M['output']>>
    : M extends { methodKind: 'client_streaming' }
      ? (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          options?: CallOptions,
        ) => Promise<MessageShape<M['output']>>
      : (
          requests: AsyncIterable<MessageInitShape<M['input']>>,
          options?: CallOptions,
        ) => AsyncIterable<MessageShape<M['output']>>;

/** A typed client of a service, the same whether the service is remote or in this process. */
export type ServiceClient<S extends GenService<GenServiceMethods>> = {
  readonly [K in keyof S['method']]: MethodClient<S['method'][K]>;
};
