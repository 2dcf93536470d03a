/** Every binding, through the one suite. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach } from 'vitest';
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { bind } from '../binding.ts';
import { connect } from '../connect.ts';
import { DEFAULT_RPC_LIMITS } from '../limits.ts';
import { local } from '../local.ts';
import { serve } from '../serve.ts';
import { describeBackpressure } from './backpressure.ts';
import { describeCalls } from './calls.ts';
import { describeCancellation } from './cancellation.ts';
import { describeEarlyEnd } from './early-end.ts';
import { describeFaults } from './faults.ts';
import { createProbe } from './probe.ts';
import { type BoundProbe, BULK_SIZE_BYTES, type ContractSubject, type OpenProbe } from './subject.ts';

const folder = mkdtempSync(join(tmpdir(), 'talkmesh-rpc-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let socketCount = 0;

/** In the names of the tests, so that who runs them elsewhere knows where they ran. */
const RUNTIME = ['Deno', 'Bun'].find((name) => name in globalThis) ?? 'Node';

function overLocal(name: string, roundTrip: boolean): ContractSubject {
  return {
    name: `${name}, ${RUNTIME}`,
    wire: false,
    maxMessagesAhead: 0,
    open: async (implementation, onCall) => ({
      client: local(ProbeService, implementation, { roundTrip, onCall }),
      close: async () => undefined,
    }),
  };
}

function overGrpc(name: string, address: () => string): ContractSubject {
  return {
    name: `${name}, ${RUNTIME}`,
    wire: true,
    maxMessagesAhead: MAX_MESSAGES_ON_THE_WIRE,
    async open(implementation, onCall) {
      const services = [bind(ProbeService, implementation)];
      const server = await serve({ address: address(), services, onCall });
      const { client, close } = connect(ProbeService, { address: server.address });
      return {
        client,
        async close() {
          close();
          await server.close();
        },
      };
    },
  };
}

/** The flow-control window, and one message each that is being produced, sent, received and read. */
const MAX_MESSAGES_ON_THE_WIRE = DEFAULT_RPC_LIMITS.flowControlWindowBytes / BULK_SIZE_BYTES + 4;

for (const subject of [
  overLocal('local', false),
  overLocal('local, encoded', true),
  overGrpc('gRPC over TCP', () => '127.0.0.1:0'),
  overGrpc('gRPC over a unix socket', () => `unix:${join(folder, `${socketCount++}.sock`)}`),
]) {
  const opened: BoundProbe[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((bound) => bound.close()));
  });
  const open: OpenProbe = async (overrides, onCall) => {
    const bound = await subject.open(createProbe(overrides), onCall);
    opened.push(bound);
    return bound.client;
  };
  for (const describePart of [
    describeCalls,
    describeFaults,
    describeCancellation,
    describeEarlyEnd,
    describeBackpressure,
  ]) {
    describePart(subject, open);
  }
}
