/** What a gRPC status means on this side of the wire, where grpc-js itself may have written it. */
import type { StatusObject } from '@grpc/grpc-js';
import { status as code } from '@grpc/grpc-js';
import { Fault } from '#lib/fault/fault.ts';
import { faultOfGrpcStatus, STATUS_DETAILS_KEY } from '#lib/fault/grpc-status.ts';
import { messageTooLarge } from './codec.ts';

/** grpc-js of either side: "Received message larger than max (17 vs 16)". */
const TOO_LARGE = /larger than max \((\d+) vs\.? (\d+)\)/;
/** grpc-js, for a stream that ended without trailers. */
const STREAM_RESET = /^Received RST_STREAM/;

/**
 * The fault of a status that ended a call. Statuses with talkmesh details are what the service said. The rest
 * come from grpc-js or a proxy, and three of those would mislead by their number alone: a message over a limit,
 * a stream that the other side cut, and a stream that was reset.
 *
 * @param maxMessageBytes the limit of this side, which tells whose limit a message exceeded.
 */
export function faultOfStatus(status: StatusObject, maxMessageBytes: number): Fault {
  const [details] = status.metadata.get(STATUS_DETAILS_KEY);
  const detailsBin = typeof details === 'string' ? undefined : details;
  if (detailsBin === undefined) {
    const tooLarge = status.code === code.RESOURCE_EXHAUSTED ? TOO_LARGE.exec(status.details) : null;
    if (tooLarge !== null) return tooLargeFault(Number(tooLarge[1]), Number(tooLarge[2]), maxMessageBytes);
    const cut = status.code === code.CANCELLED;
    const reset = status.code === code.INTERNAL && STREAM_RESET.test(status.details);
    if (cut || reset) {
      return new Fault('unavailable', 'CONNECTION_LOST', 'the service ended the call without an answer', {
        fromWire: true,
        cause: new Error(`gRPC status ${status.code}: ${status.details}`),
      });
    }
  }
  return faultOfGrpcStatus({ code: status.code, message: status.details, detailsBin });
}

/**
 * A sender checks its own limit first, so what a peer still finds too large is a request over the server's
 * lower limit, and what this side finds too large is a response over its own.
 */
function tooLargeFault(sizeBytes: number, limitBytes: number, ownLimitBytes: number): Fault {
  const direction = sizeBytes > ownLimitBytes ? 'response' : 'request';
  return messageTooLarge(direction, sizeBytes, limitBytes);
}
