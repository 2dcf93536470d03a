/** How long a viewer waits: from the first speech to the first media. */
import { createReadStream } from 'node:fs';
import { SoundEncoding } from '#gen/talkmesh/media/v1/media_pb.ts';
import { parseConfig } from '#lib/config/parse.ts';
import { COMMON_FIELDS } from '#mesh/config-fields.ts';
import { createRenderPipeline } from '#mesh/render-pipeline.ts';
import { DEMO_FACE, DEMO_VOICE } from '#test/support/clips.ts';

const SAMPLE_RATE_HZ = 16_000;
const CHUNK_MS = 40;
const WAV_HEADER_BYTES = 44;

/** Milliseconds from the first 200 ms of speech to the first fragment with frames; speech comes in real time. */
export async function measureFirstFragment(): Promise<number> {
  console.log('first live fragment ...');
  const pipeline = await createRenderPipeline(parseConfig(COMMON_FIELDS, process.env));
  try {
    const sourceAssetId = await pipeline.assets.register(DEMO_FACE);
    // The first stream loads the models.
    await untilFirstFragment();
    return await untilFirstFragment();

    async function untilFirstFragment(): Promise<number> {
      let heardAt = Number.NaN;
      async function* requests() {
        const voiceFormat = {
          encoding: SoundEncoding.PCM_S16LE,
          sampleRateHz: SAMPLE_RATE_HZ,
          channelCount: 1,
        };
        yield { part: { case: 'header' as const, value: { sourceAssetId, voiceFormat } } };
        const highWaterMark = (SAMPLE_RATE_HZ * 2 * CHUNK_MS) / 1000;
        let sentMs = 0;
        for await (const chunk of createReadStream(DEMO_VOICE, { start: WAV_HEADER_BYTES, highWaterMark })) {
          yield {
            part: {
              case: 'input' as const,
              value: { input: { case: 'voice' as const, value: chunk as Buffer } },
            },
          };
          sentMs += CHUNK_MS;
          if (sentMs === 200) heardAt = performance.now();
          await new Promise((resolve) => setTimeout(resolve, CHUNK_MS));
        }
      }
      for await (const { output } of pipeline.compositor.live(requests())) {
        if (output?.output.case === 'fragment' && output.output.value.frameCount > 0)
          return performance.now() - heardAt;
      }
      throw new Error('the live stream had no fragment');
    }
  } finally {
    await pipeline.close();
  }
}
