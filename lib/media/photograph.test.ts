import { writeFile } from 'node:fs/promises';
import sharp, { type Color, type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFrames } from './frames.ts';
import { collect, createTestFolder, type TestFolder } from './test-media.ts';

const FPS25 = { numerator: 25, denominator: 1 };

let folder: TestFolder;
beforeAll(async () => {
  folder = await createTestFolder();
});
afterAll(() => folder.remove());

describe('openFrames() of a photograph', () => {
  const photo = async (name: string, image: Sharp, maxEdgePx?: number) => {
    await image.toFile(folder.file(name));
    const frames = await collect(openFrames(folder.file(name), { frameRate: FPS25, maxEdgePx }));
    expect(frames).toHaveLength(1);
    return frames[0]!;
  };
  const flat = (background: string | Color, channels: 3 | 4 = 3) =>
    sharp({ create: { width: 8, height: 4, channels, background } });

  it('turns it as the camera was held', async () => {
    const pixels = Buffer.alloc(8 * 4 * 3);
    pixels.fill(255, 0, 8 * 3);
    const frame = await photo(
      'turn.jpg',
      sharp(pixels, { raw: { width: 8, height: 4, channels: 3 } })
        .withMetadata({ orientation: 6 })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' }),
    );
    expect(frame).toMatchObject({ width: 4, height: 8 });
    expect(frame.data[3 * 3]).toBeGreaterThan(200);
    expect(frame.data[0]).toBeLessThan(60);
  });

  it('shows transparency on black', async () => {
    expect([
      ...(await photo('alpha.png', flat({ r: 200, g: 100, b: 50, alpha: 0.5 }, 4))).data.subarray(0, 3),
    ]).toEqual([100, 50, 25]);
  });

  it('reads grey, 16-bit and CMYK pictures as RGB', async () => {
    expect([...(await photo('grey.png', flat('#777777').toColourspace('b-w'))).data.subarray(0, 3)]).toEqual([
      119, 119, 119,
    ]);
    expect([
      ...(await photo('deep.png', flat('#336699').toColourspace('rgb16').png())).data.subarray(0, 3),
    ]).toEqual([51, 102, 153]);
    const cmyk = await photo('cmyk.jpg', flat('#804020').toColourspace('cmyk').jpeg({ quality: 100 }));
    for (const [i, value] of [0x80, 0x40, 0x20].entries())
      expect(Math.abs(cmyk.data[i]! - value)).toBeLessThan(40);
  });

  it('scales it down to the wanted edge, never up', async () => {
    expect(await photo('small.webp', flat('#fff'), 4)).toMatchObject({ width: 4, height: 2 });
    expect(await photo('small2.webp', flat('#fff'), 4000)).toMatchObject({ width: 8, height: 4 });
  });

  it('reads one of a single pixel', async () => {
    const image = sharp({ create: { width: 1, height: 1, channels: 3, background: '#102030' } });
    expect([...(await photo('dot.png', image)).data]).toEqual([0x10, 0x20, 0x30]);
  });

  it.each(['jpeg', 'png', 'webp'] as const)(
    'refuses a truncated %s: MEDIA_TRUNCATED or MEDIA_UNREADABLE',
    async (format) => {
      const noise = sharp({
        create: {
          width: 200,
          height: 200,
          channels: 3,
          background: '#888',
          noise: { type: 'gaussian', mean: 128, sigma: 40 },
        },
      });
      const bytes = await noise.toFormat(format).toBuffer();
      const path = folder.file(`cut.${format}`);
      await writeFile(path, bytes.subarray(0, bytes.length / 2));
      await expect(collect(openFrames(path, { frameRate: FPS25 }))).rejects.toMatchObject({
        kind: 'invalid',
        reason:
          format === 'webp' ? 'MEDIA_UNREADABLE' : expect.stringMatching(/^MEDIA_(TRUNCATED|UNREADABLE)$/),
      });
    },
  );
});
