/**
 * Where telemetry attaches to calls, without lib/rpc knowing any SDK: each binding tells its hook of every call
 * and tells the observer that the hook returns what happens to it.
 */
import type { DescMethod } from '@bufbuild/protobuf';
import type { Fault } from '#lib/fault/fault.ts';

export interface CallInfo {
  /** Which side this is: the server of a call, its remote client, or both in one process. */
  readonly binding: 'serve' | 'connect' | 'local';
  /** Full name of the service, such as `talkmesh.audio.v1.AudioService`. */
  readonly service: string;
  /** Name of the method in the proto, such as `Encode`. */
  readonly method: string;
  readonly kind: DescMethod['methodKind'];
  /** Request metadata. A hook of `connect` or `local` may add to it before the call starts. */
  readonly metadata: Map<string, string>;
}

export interface CallObserver {
  /**
   * Runs one step of the implementation: its start, and each pull of a generator. A tracer makes its span
   * current here. Must call `step` exactly once, synchronously, and return its result.
   */
  run?<T>(step: () => T): T;
  /** A message was sent or received. Its encoded size is unknown where nothing is encoded (`local`). */
  onMessage?(direction: 'request' | 'response', sizeBytes: number | undefined): void;
  /**
   * The call is over, once. The fault, if any, still has its cause, which belongs in the log. On the serving
   * side this follows the end of the implementation, not the sending of the status.
   */
  onEnd?(fault: Fault | undefined): void;
}

/** Called at the start of every call. */
export type CallHook = (call: CallInfo) => CallObserver;

const NO_OBSERVER: CallObserver = {};

export function observe(hook: CallHook | undefined, call: CallInfo): CallObserver {
  return hook === undefined ? NO_OBSERVER : hook(call);
}

/** One step of an implementation, inside the observer's context when it has one. */
export function runStep<T>(observer: CallObserver, step: () => T): T {
  return observer.run === undefined ? step() : observer.run(step);
}
