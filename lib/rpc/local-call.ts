/** The life of one call within a process: its context, its deadline, its end. */
import { abortFault, Fault } from '#lib/fault/fault.ts';
import type { Observation } from './call-hook.ts';
import { deadlineOf } from './call-options.ts';
import { checkMetadata, metadataMap } from './metadata.ts';
import type { CallContext, CallOptions } from './service-types.ts';

export interface LocalCall {
  readonly context: CallContext;
  readonly observer: Observation;
  /** Aborts the implementation's signal. */
  abort(fault: Fault): void;
  /** Ends the call, once: no deadline, no cancellation after that. */
  end(fault?: Fault): void;
}

/** Throws what a remote call would at its start: bad metadata, no time left, already cancelled. */
export function beginLocalCall(
  options: CallOptions,
  observe: (metadata: Map<string, string>) => Observation,
): LocalCall {
  const { signal, timeoutMs } = options;
  const metadata = metadataMap(options.metadata);
  const deadlineMs = deadlineOf(timeoutMs);
  if (signal?.aborted) throw abortFault(signal);
  const observer = observe(metadata);
  checkMetadata(metadata);

  const controller = new AbortController();
  const onAbort = (): void => controller.abort(abortFault(signal!));
  const onDeadline = (): void =>
    controller.abort(new Fault('late', 'DEADLINE_EXCEEDED', 'the deadline passed'));
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = timeoutMs === undefined ? undefined : setTimeout(onDeadline, timeoutMs);
  let ended = false;

  return {
    context: { signal: controller.signal, deadlineMs, metadata },
    observer,
    abort: (fault) => controller.abort(fault),
    end(fault) {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      observer.onEnd(fault);
    },
  };
}
