/** A process that serves the probe, for tests that kill it. Prints its address. */
import { ProbeService } from '#gen/talkmesh/probe/v1/probe_service_pb.ts';
import { bind } from '../binding.ts';
import { serve } from '../serve.ts';
import { createProbe, untilAborted } from './probe.ts';

const probe = createProbe({
  async *download(_request, context) {
    yield { index: 0n };
    await untilAborted(context);
  },
});
const server = await serve({ address: '127.0.0.1:0', services: [bind(ProbeService, probe)] });
process.stdout.write(`${server.address}\n`);
