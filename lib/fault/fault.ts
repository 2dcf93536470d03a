/**
 * The one failure type of talkmesh. Everything that crosses a boundary (gRPC, HTTP, JetStream) is a Fault:
 * its kind decides the status there, its reason is a stable UPPER_SNAKE identifier (AIP-193), its message is
 * written for the caller and never holds personal data, and its cause is logged but never sent.
 */
import type { FaultKind } from './kinds.ts';

export type { FaultKind } from './kinds.ts';

/** One offending field: a dotted path as the caller wrote it, and what is wrong, allowed and to be done. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface FaultDetails {
  readonly violations?: readonly FieldViolation[];
  /** Small machine-readable facts, such as the limit that was exceeded. Never personal data. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When a retry makes sense; sent as google.rpc.RetryInfo and as Retry-After. */
  readonly retryAfterMs?: number;
  /** The error beneath, for the log only. */
  readonly cause?: unknown;
  /** True when the fault was received from another process rather than raised here. */
  readonly fromWire?: boolean;
}

const REASON = /^[A-Z][A-Z0-9_]{0,62}$/;
const BRAND = Symbol.for('talkmesh.fault');

/** True for an identifier that a fault may carry as its reason: UPPER_SNAKE, 1 to 63 characters. */
export function isReason(text: string): boolean {
  return REASON.test(text);
}

export class Fault extends Error {
  readonly kind: FaultKind;
  readonly reason: string;
  readonly violations: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly fromWire: boolean;
  readonly [BRAND] = true;

  constructor(kind: FaultKind, reason: string, message: string, details: FaultDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    if (!isReason(reason)) {
      throw new TypeError(`fault reason "${reason}" is not UPPER_SNAKE of at most 63 characters`);
    }
    this.name = 'Fault';
    this.kind = kind;
    this.reason = reason;
    this.violations = details.violations ?? [];
    this.metadata = details.metadata ?? {};
    this.retryAfterMs = details.retryAfterMs;
    this.fromWire = details.fromWire ?? false;
  }
}

/** Checked by brand rather than by class, so that a second copy of this module cannot hide a fault. */
export function isFault(error: unknown): error is Fault {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** A fault about one field of a request. The message reads "field: description". */
export function invalidField(reason: string, field: string, description: string, cause?: unknown): Fault {
  return new Fault('invalid', reason, `${field}: ${description}`, {
    violations: [{ field, description }],
    cause,
  });
}

/**
 * Any thrown value as a Fault. What is not one already becomes internal/UNEXPECTED with a fixed message, so
 * that no path, address or name inside a foreign error reaches a caller; the cause keeps it for the log.
 * The abort errors of the platform (DOMException, Node's own AbortError) become cancelled or late, and one
 * that wraps a fault, as Node's does with an AbortSignal's reason, is that fault.
 */
export function toFault(error: unknown): Fault {
  if (isFault(error)) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    if (isFault(error.cause)) return error.cause;
    return new Fault('cancelled', 'CALLER_CANCELLED', 'the caller cancelled', { cause: error });
  }
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new Fault('late', 'DEADLINE_EXCEEDED', 'the deadline passed', { cause: error });
  }
  return new Fault('internal', 'UNEXPECTED', 'an unexpected error; the trace id finds it in the log', {
    cause: error,
  });
}

/**
 * The reason an AbortSignal was aborted, as a Fault: the fault it was aborted with, late for a timeout, and
 * cancelled for every other reason, since whoever aborts a signal without saying why has cancelled.
 */
export function abortFault(signal: AbortSignal): Fault {
  const fault = toFault(signal.reason);
  if (fault.reason !== 'UNEXPECTED') return fault;
  return new Fault('cancelled', 'CALLER_CANCELLED', 'the caller cancelled', { cause: signal.reason });
}
