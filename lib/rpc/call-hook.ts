/**
 * Where telemetry attaches to calls, without lib/rpc knowing any SDK: each binding tells its hook of every call
 * and tells the observer that the hook returns what happens to it.
 */
import type { DescMethod } from '@bufbuild/protobuf';
import type { Fault } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';

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

/** An observer as the bindings use it: all parts present, and none of them able to fail a call. */
export type Observation = Required<CallObserver>;

/** Starts observing a call. What the hook or the observer throws is reported as stray and not to the caller. */
export function observe(hook: CallHook | undefined, call: CallInfo): Observation {
  const observer = guarded(() => hook?.(call)) ?? {};
  return {
    run: (step) => (observer.run === undefined ? step() : observer.run(step)),
    onMessage: (direction, sizeBytes) => guarded(() => observer.onMessage?.(direction, sizeBytes)),
    onEnd: (fault) => guarded(() => observer.onEnd?.(fault)),
  };
}

function guarded<T>(part: () => T): T | undefined {
  try {
    return part();
  } catch (error) {
    reportStray(error, 'the observation of a call');
    return undefined;
  }
}
