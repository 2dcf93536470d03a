/** What a gRPC hop adds to a frame: the same unary exchange with and without a wire. */
import { DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { bind } from '#lib/rpc/binding.ts';
import { connect } from '#lib/rpc/connect.ts';
import { local } from '#lib/rpc/local.ts';
import { serve } from '#lib/rpc/serve.ts';
import type { ServiceClient, ServiceImpl } from '#lib/rpc/service-types.ts';
import { percentile } from './statistics.ts';

const FRAMES = 400;
const REGION = { width: 256, height: 256, data: new Uint8Array(256 * 256 * 3) };

/** Answers each frame with a region, as the denoiser does, and computes nothing. */
const echo: ServiceImpl<typeof DenoiserService> = {
  async *denoise(requests) {
    for await (const { part } of requests) {
      if (part.case !== 'frame') continue;
      yield { part: { case: 'face', value: { frameIndex: part.value.frameIndex, region: REGION } } };
    }
  },
};

/** Milliseconds that a frame takes longer over the wire, there and back, conditions and face of real size. */
export async function measureHop(): Promise<{ p50Ms: number; p95Ms: number }> {
  console.log('hop ...');
  const server = await serve({ address: '127.0.0.1:0', services: [bind(DenoiserService, echo)] });
  const { client, close } = connect(DenoiserService, { address: server.address });
  try {
    const direct = percentile(await exchange(local(DenoiserService, echo)), 0.5);
    const added = (await exchange(client)).map((ms) => ms - direct);
    return { p50Ms: percentile(added, 0.5), p95Ms: percentile(added, 0.95) };
  } finally {
    close();
    await server.close();
  }
}

/** One frame at a time: the next is sent when the face of the last is there. */
async function exchange(client: ServiceClient<typeof DenoiserService>): Promise<number[]> {
  const times: number[] = [];
  let proceed = Promise.withResolvers<void>();
  async function* frames() {
    for (let i = 0; i < FRAMES; i++) {
      const value = { frameIndex: BigInt(i), maskedRegion: REGION };
      yield { part: { case: 'frame' as const, value } };
      await proceed.promise;
      proceed = Promise.withResolvers<void>();
    }
  }
  let sentAt = performance.now();
  for await (const _ of client.denoise(frames())) {
    times.push(performance.now() - sentAt);
    sentAt = performance.now();
    proceed.resolve();
  }
  return times.slice(FRAMES / 10);
}
