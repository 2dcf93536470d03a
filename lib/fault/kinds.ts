/**
 * The one table of what a kind of fault means at each boundary. gRPC and HTTP numbers are those of
 * google/rpc/code.proto; the bus column says whether another delivery of the same work can succeed.
 */

/** What became of a call or a piece of work, independent of the protocol that reports it. */
export type FaultKind =
  | 'invalid'
  | 'precondition'
  | 'range'
  | 'unauthenticated'
  | 'denied'
  | 'missing'
  | 'conflict'
  | 'superseded'
  | 'saturated'
  | 'cancelled'
  | 'late'
  | 'unavailable'
  | 'unsupported'
  | 'internal'
  | 'corrupt';

export interface KindMapping {
  /** google.rpc.Code number. */
  readonly grpc: number;
  readonly http: number;
  /** `nak`: deliver the work again after a delay. `term`: never again. */
  readonly bus: 'nak' | 'term';
  /** Title of the problem+json body: the same for every fault of the kind (RFC 9457, section 3.1.3). */
  readonly title: string;
  /** Reason and message of a failure that came without details, from a server or proxy that is not ours. */
  readonly bareReason: string;
  readonly bareMessage: string;
}

export const FAULT_KINDS: Readonly<Record<FaultKind, KindMapping>> = {
  invalid: {
    grpc: 3,
    http: 400,
    bus: 'term',
    title: 'Invalid request',
    bareReason: 'INVALID_ARGUMENT',
    bareMessage: 'the service refused the request as invalid',
  },
  precondition: {
    grpc: 9,
    http: 400,
    bus: 'term',
    title: 'Not possible in this state',
    bareReason: 'FAILED_PRECONDITION',
    bareMessage: 'the service is not in a state that allows the request',
  },
  range: {
    grpc: 11,
    http: 400,
    bus: 'term',
    title: 'Out of range',
    bareReason: 'OUT_OF_RANGE',
    bareMessage: 'the request lies outside the valid range',
  },
  unauthenticated: {
    grpc: 16,
    http: 401,
    bus: 'term',
    title: 'Not authenticated',
    bareReason: 'UNAUTHENTICATED',
    bareMessage: 'the request carries no valid credentials',
  },
  denied: {
    grpc: 7,
    http: 403,
    bus: 'term',
    title: 'Not allowed',
    bareReason: 'PERMISSION_DENIED',
    bareMessage: 'the caller may not do this',
  },
  missing: {
    grpc: 5,
    http: 404,
    bus: 'term',
    title: 'Not found',
    bareReason: 'NOT_FOUND',
    bareMessage: 'the thing asked for does not exist',
  },
  conflict: {
    grpc: 6,
    http: 409,
    bus: 'term',
    title: 'Conflict',
    bareReason: 'ALREADY_EXISTS',
    bareMessage: 'the request conflicts with what exists',
  },
  superseded: {
    grpc: 10,
    http: 409,
    bus: 'nak',
    title: 'Superseded',
    bareReason: 'ABORTED',
    bareMessage: 'a concurrent change came first',
  },
  saturated: {
    grpc: 8,
    http: 429,
    bus: 'nak',
    title: 'At capacity',
    bareReason: 'RESOURCE_EXHAUSTED',
    bareMessage: 'the service is at capacity',
  },
  cancelled: {
    grpc: 1,
    http: 499,
    bus: 'term',
    title: 'Cancelled',
    bareReason: 'CANCELLED',
    bareMessage: 'the call was cancelled',
  },
  late: {
    grpc: 4,
    http: 504,
    bus: 'nak',
    title: 'Too late',
    bareReason: 'DEADLINE_EXCEEDED',
    bareMessage: 'the deadline passed',
  },
  unavailable: {
    grpc: 14,
    http: 503,
    bus: 'nak',
    title: 'Unavailable',
    bareReason: 'UNAVAILABLE',
    bareMessage: 'the service cannot be reached',
  },
  unsupported: {
    grpc: 12,
    http: 501,
    bus: 'term',
    title: 'Not supported',
    bareReason: 'UNIMPLEMENTED',
    bareMessage: 'the service does not offer this method',
  },
  internal: {
    grpc: 13,
    http: 500,
    bus: 'term',
    title: 'Internal error',
    bareReason: 'INTERNAL',
    bareMessage: 'the service failed',
  },
  corrupt: {
    grpc: 15,
    http: 500,
    bus: 'term',
    title: 'Corrupt data',
    bareReason: 'DATA_LOSS',
    bareMessage: 'stored data is lost or damaged',
  },
};

const KIND_OF_GRPC = new Map<number, FaultKind>(
  (Object.keys(FAULT_KINDS) as FaultKind[]).map((kind) => [FAULT_KINDS[kind].grpc, kind]),
);

/** The kind of a gRPC status number. UNKNOWN (2) and numbers that gRPC does not define are internal. */
export function kindOfGrpcStatus(code: number): FaultKind {
  return KIND_OF_GRPC.get(code) ?? 'internal';
}
