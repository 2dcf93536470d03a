/** Faults over HTTP: status, headers and an RFC 9457 `application/problem+json` body. */
import type { Fault, FieldViolation } from './fault.ts';
import { FAULT_KINDS } from './kinds.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

const TYPE_BASE = 'https://talkmesh.dev/faults/';

/** Seconds that a caller is told to wait when the fault does not say. */
export const DEFAULT_RETRY_AFTER_SECONDS = 1;

export interface Problem {
  /** One stable URI for each reason. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The resource path that the request was about. */
  readonly instance?: string;
  readonly reason: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: number;
  /** Finds the cause in the log and the spans of the request. */
  readonly traceId?: string;
}

export interface ProblemContext {
  readonly instance?: string;
  readonly traceId?: string;
  /** A more exact HTTP status than the kind's, such as 413 for an upload over its limit. */
  readonly status?: number;
}

export interface ProblemResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

/** The HTTP response that reports a fault. `Retry-After` (whole seconds, rounded up) goes with 429 and 503. */
export function problemOf(fault: Fault, context: ProblemContext = {}): ProblemResponse {
  const mapping = FAULT_KINDS[fault.kind];
  const status = context.status ?? mapping.http;
  const headers: Record<string, string> = { 'content-type': PROBLEM_CONTENT_TYPE };
  if (status === 429 || status === 503) {
    const seconds =
      fault.retryAfterMs === undefined ? DEFAULT_RETRY_AFTER_SECONDS : Math.ceil(fault.retryAfterMs / 1000);
    headers['retry-after'] = String(seconds);
  }
  const body: Problem = {
    type: `${TYPE_BASE}${fault.reason}`,
    title: mapping.title,
    status,
    detail: fault.message,
    ...(context.instance === undefined ? {} : { instance: context.instance }),
    reason: fault.reason,
    ...(Object.keys(fault.metadata).length === 0 ? {} : { metadata: fault.metadata }),
    ...(fault.violations.length === 0 ? {} : { violations: fault.violations }),
    ...(fault.retryAfterMs === undefined ? {} : { retryAfterMs: fault.retryAfterMs }),
    ...(context.traceId === undefined ? {} : { traceId: context.traceId }),
  };
  return { status, headers, body };
}
