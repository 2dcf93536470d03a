/** Errors of the NATS client as Faults, so that no raw code or server text crosses a boundary. */
import { ErrorCode, NatsError } from 'nats';
import { Fault, type FaultKind, isFault, toFault } from '#lib/fault/fault.ts';

interface Meaning {
  readonly kind: FaultKind;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

const LOST: Meaning = { kind: 'unavailable', reason: 'BUS_LOST', message: 'NATS does not answer' };
const CLOSED: Meaning = {
  kind: 'unavailable',
  reason: 'BUS_CLOSED',
  message: 'the NATS connection is closed',
};
const UNAUTHORIZED: Meaning = {
  kind: 'unauthenticated',
  reason: 'BUS_UNAUTHORIZED',
  message: 'NATS refused the credentials; check the token, the user or the credentials file',
};
const STORE_FULL: Meaning = {
  kind: 'saturated',
  reason: 'STORE_FULL',
  message: 'the JetStream store is full; delete what is not needed or raise its limit',
  retryAfterMs: 30_000,
};
const NO_RESPONDERS: Meaning = {
  kind: 'unavailable',
  reason: 'BUS_NO_JETSTREAM',
  message: 'no JetStream answers; start nats-server with JetStream on (-js)',
};
const TOPOLOGY_MISSING: Meaning = {
  kind: 'unavailable',
  reason: 'BUS_TOPOLOGY_MISSING',
  message: 'a JetStream stream or consumer of talkmesh is missing; a starting talkmesh process creates it',
};
const TOO_LARGE: Meaning = {
  kind: 'invalid',
  reason: 'BUS_MESSAGE_TOO_LARGE',
  message: 'the message is larger than NATS allows (max_payload, 1 MiB unless configured)',
};
const STALE: Meaning = {
  kind: 'superseded',
  reason: 'REVISION_STALE',
  message: 'somebody else changed the entry first',
};
const MISSING: Meaning = {
  kind: 'missing',
  reason: 'ENTRY_NOT_FOUND',
  message: 'the store holds no such entry',
};

const TLS_FAILED: Meaning = {
  kind: 'precondition',
  reason: 'BUS_TLS_FAILED',
  message: 'NATS and talkmesh cannot agree on TLS; check nats:// or tls:// and the certificate files',
};

/** JetStream API error codes (nats-server 2.9.10, server/errors.json). */
const BY_API_CODE: ReadonlyMap<number, Meaning> = new Map([
  [10_002, STORE_FULL], // resource limits exceeded for account
  [10_008, LOST], // JetStream system temporarily unavailable
  [10_009, LOST], // JetStream cluster can not handle request: no leader
  [10_014, TOPOLOGY_MISSING], // consumer not found
  [10_023, STORE_FULL], // insufficient resources
  [10_028, STORE_FULL], // insufficient memory resources available
  [10_037, MISSING], // no message found
  [10_039, NO_RESPONDERS], // JetStream not enabled for account
  [10_043, MISSING], // sequence not found
  [10_047, STORE_FULL], // insufficient storage resources available
  [10_054, TOO_LARGE], // message size exceeds maximum allowed
  [10_059, TOPOLOGY_MISSING], // stream not found
  [10_071, STALE], // wrong last sequence
  [10_076, NO_RESPONDERS], // JetStream not enabled
  [10_077, STORE_FULL], // the store failed: maximum messages or bytes exceeded, or no space on the device
  [10_097, TOO_LARGE], // header size exceeds maximum allowed of 64k
  [10_118, LOST], // stream is offline
  [10_119, LOST], // consumer is offline
]);

const BY_CODE: ReadonlyMap<string, Meaning> = new Map([
  [ErrorCode.Timeout, { ...LOST, message: 'NATS did not answer in time' }],
  [ErrorCode.Disconnect, LOST],
  [ErrorCode.ConnectionRefused, LOST],
  [ErrorCode.ConnectionTimeout, LOST],
  [ErrorCode.ConnectionClosed, CLOSED],
  [ErrorCode.ConnectionDraining, { ...CLOSED, message: 'the NATS connection is draining' }],
  [ErrorCode.NoResponders, NO_RESPONDERS],
  [ErrorCode.MaxPayloadExceeded, TOO_LARGE],
  [ErrorCode.JetStream404NoMessages, MISSING],
  [ErrorCode.AuthorizationViolation, UNAUTHORIZED],
  [ErrorCode.BadAuthentication, UNAUTHORIZED],
  [ErrorCode.BadCreds, UNAUTHORIZED],
  [ErrorCode.AuthenticationExpired, UNAUTHORIZED],
  [ErrorCode.AuthenticationTimeout, UNAUTHORIZED],
  [ErrorCode.AccountExpired, UNAUTHORIZED],
  [ErrorCode.Tls, TLS_FAILED],
  [ErrorCode.ServerOptionNotAvailable, TLS_FAILED],
  [
    ErrorCode.PermissionsViolation,
    {
      kind: 'denied',
      reason: 'BUS_DENIED',
      message: 'the NATS user may not use a subject that talkmesh needs; see its permissions',
    },
  ],
]);

/**
 * What an error of the NATS client means.
 *
 * @param during what was being done, in words, without data of the caller.
 */
export function busFault(error: unknown, during: string): Fault {
  if (isFault(error)) return error;
  if (!(error instanceof NatsError))
    return isTlsError(error) ? meant(TLS_FAILED, during, error) : toFault(error);
  const meaning = BY_API_CODE.get(error.api_error?.err_code ?? 0) ?? BY_CODE.get(error.code);
  if (meaning === undefined) {
    return new Fault('internal', 'BUS_FAILED', `NATS failed while ${during}`, { cause: error });
  }
  return meant(meaning, during, error);
}

function meant(meaning: Meaning, during: string, cause: unknown): Fault {
  return new Fault(meaning.kind, meaning.reason, `${meaning.message} (while ${during})`, {
    cause,
    ...(meaning.retryAfterMs === undefined ? {} : { retryAfterMs: meaning.retryAfterMs }),
  });
}

/** Whether Node refused a certificate: ERR_TLS_..., CERT_..., SELF_SIGNED_CERT_..., UNABLE_TO_VERIFY_... */
function isTlsError(error: unknown): boolean {
  return /CERT|TLS|UNABLE_TO_VERIFY/.test(String((error as { code?: unknown } | null)?.code));
}

/** The connection, or JetStream behind it, is away and may come back. */
export function isTransient(fault: Fault): boolean {
  return fault.reason === 'BUS_LOST' || fault.reason === 'BUS_NO_JETSTREAM';
}

export function isStale(error: unknown): boolean {
  return isFault(error) && error.reason === 'REVISION_STALE';
}

export function isMissing(error: unknown): boolean {
  return isFault(error) && error.reason === 'ENTRY_NOT_FOUND';
}

/** The connection dropped; it is being made again. */
export function lostFault(): Fault {
  return new Fault(LOST.kind, LOST.reason, 'the connection to NATS is lost', { retryAfterMs: 1_000 });
}

/** The connection was closed, by this process or for good by the server. */
export function closedFault(cause: unknown): Fault {
  return new Fault(CLOSED.kind, CLOSED.reason, CLOSED.message, { cause });
}
