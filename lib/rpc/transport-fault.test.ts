import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import { grpcStatusOf, STATUS_DETAILS_KEY } from '#lib/fault/grpc-status.ts';
import { faultOfStatus } from './transport-fault.ts';

function status(code: number, details: string, detailsBin?: Uint8Array): StatusObject {
  const metadata = new Metadata();
  if (detailsBin !== undefined) metadata.set(STATUS_DETAILS_KEY, Buffer.from(detailsBin));
  return { code, details, metadata };
}

describe('faultOfStatus()', () => {
  it('is what the service said, when it said it', () => {
    const sent = grpcStatusOf(new Fault('cancelled', 'RENDER_CANCELLED', 'the render was cancelled'));
    const fault = faultOfStatus(status(sent.code, sent.message, sent.detailsBin), 1000);
    expect(fault).toMatchObject({ kind: 'cancelled', reason: 'RENDER_CANCELLED', fromWire: true });
  });

  // The texts are those of grpc-js 1.14.7: stream-decoder.ts, subchannel-call.ts.
  it.for([
    [1, 'Call cancelled', 'unavailable', 'CONNECTION_LOST'],
    [13, 'Received RST_STREAM with code 2 (Internal server error)', 'unavailable', 'CONNECTION_LOST'],
    [13, 'something else', 'internal', 'INTERNAL'],
    [14, 'Connection dropped', 'unavailable', 'UNAVAILABLE'],
    [8, 'Bandwidth exhausted or memory limit exceeded', 'saturated', 'RESOURCE_EXHAUSTED'],
    [8, 'Received message larger than max (1001 vs 1000)', 'internal', 'MESSAGE_TOO_LARGE'],
    [8, 'Received message larger than max (900 vs 800)', 'invalid', 'MESSAGE_TOO_LARGE'],
    [12, 'The server does not implement the method /a.B/C', 'unsupported', 'UNIMPLEMENTED'],
    [2, 'whatever', 'internal', 'INTERNAL'],
    [10_059, 'stream not found', 'internal', 'INTERNAL'],
  ] as const)('reads %i "%s" as %s/%s', ([code, details, kind, reason]) => {
    const fault = faultOfStatus(status(code, details), 1000);
    expect(fault).toMatchObject({ kind, reason });
    expect(fault.message).not.toContain(details);
  });
});
