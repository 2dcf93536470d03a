import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { MediaFragment } from './fragments.ts';
import { startLiveEncoder } from './live-encoder.ts';
import { DEFAULT_TOOLS } from './media-input.ts';

const FORMAT = { width: 64, height: 48, frameRate: { numerator: 25, denominator: 1 } };
const SOUND = { encoding: 's16le', sampleRateHz: 16_000, channelCount: 1 } as const;
const FRAME_SOUND_BYTES = (SOUND.sampleRateHz / 25) * 2;

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly sampleRateHz: number;
}

/** Larger than a pipe, so that ffmpeg and its feeder can wait for each other. */
const BIG = { width: 640, height: 480 };

const start = (signal: AbortSignal, { width, height, sampleRateHz }: Layout = { ...FORMAT, ...SOUND }) =>
  startLiveEncoder({
    format: { ...FORMAT, width, height },
    soundFormat: { ...SOUND, sampleRateHz },
    constantRateFactor: 23,
    fragmentMs: 200,
    tools: DEFAULT_TOOLS,
    signal,
  });

describe('startLiveEncoder', () => {
  it('gives out fragments while frames still come, which concatenate to a playable file', async () => {
    const encoder = await start(new AbortController().signal);
    const fragments: MediaFragment[] = [];
    let framesWhenFirstMediaCame: number | undefined;
    let written = 0;
    const collected = (async () => {
      for await (const fragment of encoder.fragments) {
        fragments.push(fragment);
        if (fragment.frameCount > 0) framesWhenFirstMediaCame ??= written;
      }
    })();
    const sound = new Uint8Array(FRAME_SOUND_BYTES);
    for (let i = 0; i < 50; i++) {
      await encoder.write(new Uint8Array(64 * 48 * 3).fill(i * 5), sound);
      written += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await encoder.finish();
    await collected;
    expect(framesWhenFirstMediaCame).toBeLessThan(40);
    expect(fragments[0]!.frameCount).toBe(0);
    expect(fragments.reduce((sum, { frameCount }) => sum + frameCount, 0)).toBe(50);

    const file = Buffer.concat(fragments.map(({ data }) => data));
    const args = ['-v', 'error', '-count_frames', '-show_streams', '-of', 'json', '-'];
    const { streams } = JSON.parse(execFileSync('ffprobe', args, { input: file, encoding: 'utf8' }));
    expect(streams[0]).toMatchObject({ codec_name: 'h264', nb_read_frames: '50' });
    expect(streams[1]).toMatchObject({ codec_name: 'aac', sample_rate: '48000' });
    expect(streams[0].start_time).toBe('0.000000');
  });

  it.each([8_000, 22_050, 44_100, 192_000])('never waits for itself, at %d Hz', async (sampleRateHz) => {
    const signal = AbortSignal.timeout(10_000);
    const encoder = await start(signal, { ...BIG, sampleRateHz });
    const collected = (async () => {
      let frameCount = 0;
      for await (const fragment of encoder.fragments) frameCount += fragment.frameCount;
      return frameCount;
    })();
    const sound = new Uint8Array((sampleRateHz / 25) * 2);
    for (let i = 0; i < 100; i++) await encoder.write(new Uint8Array(640 * 480 * 3), sound);
    await encoder.finish();
    expect(await collected).toBe(100);
  });

  it('leaves nothing behind when it is discarded before the first frame', async () => {
    const encoder = await start(new AbortController().signal);
    await encoder.discard();
    await expect(encoder.write(new Uint8Array(64 * 48 * 3), new Uint8Array(2))).rejects.toThrow();
  });

  it('ends with the signal', async () => {
    const stop = new AbortController();
    const encoder = await start(stop.signal);
    await encoder.write(new Uint8Array(64 * 48 * 3), new Uint8Array(FRAME_SOUND_BYTES));
    stop.abort();
    await expect(encoder.finish()).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
