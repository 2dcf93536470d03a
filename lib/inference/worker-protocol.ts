/** The messages between the main thread and an inference worker. Buffers are transferred both ways, never copied. */
import { Fault, type FaultKind, type FieldViolation, toFault } from '#lib/fault/fault.ts';
import type { GraphSpec } from './manifest.ts';
import type { ChosenProvider, ProviderChoice } from './provider.ts';

/** What a worker is started with. */
export interface WorkerSettings {
  readonly provider: ProviderChoice;
}

/** A graph as the worker opens it; `key` names it in later runs. */
export interface GraphOpening {
  readonly key: string;
  readonly bundle: string;
  readonly path: string;
  readonly spec: GraphSpec;
  /** Processor threads inside one run. */
  readonly threadCount: number;
  /** Whether to run once on zeros, so that the first real run finds memory and kernels ready. */
  readonly warmUp: boolean;
}

export type WorkerRequest =
  | { readonly type: 'open'; readonly id: number; readonly opening: GraphOpening }
  | {
      readonly type: 'run';
      readonly id: number;
      readonly key: string;
      readonly batchSize: number;
      /** Inputs, then outputs, each in the order of the spec. */
      readonly buffers: readonly ArrayBuffer[];
    }
  | { readonly type: 'close' };

export type WorkerReply =
  | { readonly type: 'ready'; readonly chosen: ChosenProvider }
  | { readonly type: 'unready'; readonly fault: FaultMessage }
  | { readonly type: 'opened'; readonly id: number }
  /** The sessions are closed; the thread can be terminated. */
  | { readonly type: 'closed' }
  | {
      readonly type: 'ran';
      readonly id: number;
      /** When the run began and ended, in epoch milliseconds of the monotonic clock. */
      readonly startMs: number;
      readonly endMs: number;
      readonly buffers: readonly ArrayBuffer[];
    }
  | {
      readonly type: 'failed';
      readonly id: number;
      readonly fault: FaultMessage;
      readonly buffers: readonly ArrayBuffer[];
    };

/** A fault as plain data, its cause as text. */
export interface FaultMessage {
  readonly kind: FaultKind;
  readonly reason: string;
  readonly message: string;
  readonly violations: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly cause: string | undefined;
}

export function faultToMessage(error: unknown): FaultMessage {
  const { kind, reason, message, violations, metadata, cause } = toFault(error);
  const text =
    cause instanceof Error ? (cause.stack ?? cause.message) : cause === undefined ? undefined : String(cause);
  return { kind, reason, message, violations, metadata, cause: text };
}

export function faultFromMessage({
  kind,
  reason,
  message,
  violations,
  metadata,
  cause,
}: FaultMessage): Fault {
  return new Fault(kind, reason, message, { violations, metadata, cause });
}

/** Milliseconds since the epoch by the monotonic clock; the same in every thread of the process. */
export function monotonicMs(): number {
  return performance.timeOrigin + performance.now();
}
