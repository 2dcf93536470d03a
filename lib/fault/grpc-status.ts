/**
 * Faults on the gRPC wire: a status number, a message and `grpc-status-details-bin`, which holds a
 * google.rpc.Status with ErrorInfo, BadRequest and RetryInfo (AIP-193).
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack, durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '#gen/google/rpc/status_pb.ts';
import { Fault, type FaultDetails, type FieldViolation, isReason } from './fault.ts';
import { FAULT_KINDS, kindOfGrpcStatus } from './kinds.ts';

/** The `domain` of every ErrorInfo that talkmesh writes: where its reasons are unique. */
export const FAULT_DOMAIN = 'talkmesh.dev';

/** The metadata key that carries the encoded google.rpc.Status beside the plain gRPC status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

/**
 * Longest encoded google.rpc.Status, in bytes. It travels in HTTP/2 trailers, and peers built on gRPC's C core
 * refuse metadata over 8 KiB by default. Violations that do not fit are counted in `violationsOmitted`.
 */
export const STATUS_DETAILS_MAX_BYTES = 4096;

/** Longest message of a status, in UTF-16 units; it travels percent-encoded in the same trailers. */
export const STATUS_MESSAGE_MAX_LENGTH = 1024;

export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** Encoded google.rpc.Status, when the peer sent one. */
  readonly detailsBin?: Uint8Array;
}

/** The status to send for a fault. The cause stays here. */
export function grpcStatusOf(fault: Fault): GrpcStatus & { readonly detailsBin: Uint8Array } {
  const code = FAULT_KINDS[fault.kind].grpc;
  // gRPC percent-encodes the message, which throws on a lone surrogate.
  const message = fault.message.slice(0, STATUS_MESSAGE_MAX_LENGTH).toWellFormed();
  let kept = fault.violations.length;
  let detailsBin = encodeDetails(fault, code, message, kept);
  while (detailsBin.length > STATUS_DETAILS_MAX_BYTES && kept > 0) {
    kept = Math.floor(kept / 2);
    detailsBin = encodeDetails(fault, code, message, kept);
  }
  return { code, message, detailsBin };
}

function encodeDetails(fault: Fault, code: number, message: string, violationCount: number): Uint8Array {
  const omitted = fault.violations.length - violationCount;
  const metadata = {
    ...fault.metadata,
    ...(omitted > 0 ? { violationsOmitted: String(omitted) } : {}),
  };
  const details: Any[] = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: fault.reason, domain: FAULT_DOMAIN, metadata }),
    ),
  ];
  if (violationCount > 0) {
    const fieldViolations = fault.violations
      .slice(0, violationCount)
      .map(({ field, description }) => ({ field, description }));
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (fault.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(fault.retryAfterMs);
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return toBinary(StatusSchema, create(StatusSchema, { code, message, details }));
}

/**
 * The fault that a received status reports, marked `fromWire`. A status without talkmesh details gets the
 * reason and message of its kind: the text of a foreign server or proxy may name paths and addresses, so it is
 * kept as the cause and never as the message.
 */
export function faultOfGrpcStatus(status: GrpcStatus): Fault {
  const kind = kindOfGrpcStatus(status.code);
  const bare = FAULT_KINDS[kind];
  const details = status.detailsBin === undefined ? undefined : decodeDetails(status.detailsBin);
  if (details?.reason === undefined) {
    return new Fault(kind, bare.bareReason, bare.bareMessage, {
      fromWire: true,
      retryAfterMs: details?.retryAfterMs,
      cause: new Error(`gRPC status ${status.code}: ${status.message}`),
    });
  }
  return new Fault(kind, details.reason, status.message, {
    fromWire: true,
    violations: details.violations,
    metadata: details.metadata,
    retryAfterMs: details.retryAfterMs,
  });
}

interface DecodedDetails {
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: FaultDetails['retryAfterMs'];
}

/** Undefined when the bytes are no google.rpc.Status: the plain status then stands for itself. */
function decodeDetails(detailsBin: Uint8Array): DecodedDetails | undefined {
  let details: Any[];
  try {
    details = fromBinary(StatusSchema, detailsBin).details;
  } catch {
    return undefined;
  }
  const unpack = <T>(open: (any: Any) => T | undefined): T | undefined => {
    for (const any of details) {
      try {
        const message = open(any);
        if (message !== undefined) return message;
      } catch {
        // A detail that does not decode says nothing; the others still count.
      }
    }
    return undefined;
  };
  const info = unpack((any) => {
    const found = anyUnpack(any, ErrorInfoSchema);
    return found?.domain === FAULT_DOMAIN && isReason(found.reason) ? found : undefined;
  });
  const badRequest = unpack((any) => anyUnpack(any, BadRequestSchema));
  const retry = unpack((any) => anyUnpack(any, RetryInfoSchema));
  return {
    reason: info?.reason,
    metadata: info?.metadata,
    violations: badRequest?.fieldViolations.map(({ field, description }) => ({ field, description })),
    retryAfterMs: retry?.retryDelay === undefined ? undefined : durationMs(retry.retryDelay),
  };
}
