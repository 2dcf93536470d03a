import { readFile, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeMedia } from './probe.ts';
import { countingPictures, createTestFolder, LOSSLESS, type TestFolder } from './test-media.ts';

let folder: TestFolder;
beforeAll(async () => {
  folder = await createTestFolder();
});
afterAll(() => folder.remove());

const TONE = ['-f', 'lavfi', '-i', 'sine=440:r=44100:d=2'];
const CLIP = [...countingPictures(50), ...TONE, ...LOSSLESS, '-c:a', 'aac'];

/** The first part of a file, under another name. */
async function cutFile(path: string, part: number, name: string): Promise<string> {
  const bytes = await readFile(path);
  const target = folder.file(name);
  await writeFile(target, bytes.subarray(0, Math.floor(bytes.length * part)));
  return target;
}

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const target = folder.file(name);
  await writeFile(target, content);
  return target;
}

describe('probeMedia()', () => {
  it.each(['mp4', 'mov', 'mkv', 'webm'])('reads a %s video with sound', async (extension) => {
    const codecs = extension === 'webm' ? ['-c:v', 'libvpx', '-deadline', 'realtime', '-c:a', 'libopus'] : [];
    const path = await folder.make(...CLIP, ...codecs, `clip.${extension}`);
    const info = await probeMedia(path);
    expect(info).toMatchObject({
      kind: 'video',
      hasVideo: true,
      hasSound: true,
      width: 64,
      height: 48,
      soundChannels: 1,
    });
    expect(info.frameRate).toEqual({ numerator: 25, denominator: 1 });
    expect(info.durationS).toBeGreaterThan(1.95);
    expect(info.durationS).toBeLessThan(2.1);
  });

  it.each(['wav', 'mp3', 'm4a', 'ogg', 'flac', 'aac', 'webm', 'aiff'])(
    'reads a %s sound',
    async (extension) => {
      const info = await probeMedia(await folder.make(...TONE, `tone.${extension}`));
      expect(info).toMatchObject({
        kind: 'sound',
        hasVideo: false,
        hasSound: true,
        soundChannels: 1,
        width: 0,
      });
      expect(info.soundRateHz).toBe(extension === 'webm' ? 48_000 : 44_100);
    },
  );

  it('does not take the cover picture of a song for a video', async () => {
    const cover = await folder.make(...countingPictures(1), 'cover.png');
    const song = await folder.make(
      ...TONE,
      '-i',
      cover,
      '-map',
      '0',
      '-map',
      '1',
      '-disposition:v',
      'attached_pic',
      'song.mp3',
    );
    expect(await probeMedia(song)).toMatchObject({ kind: 'sound', hasVideo: false });
  });

  it('gives the size as shown: rotated, with square pixels', async () => {
    const plain = await folder.make(...countingPictures(2, { size: '96x48' }), ...LOSSLESS, 'wide.mp4');
    const turned = await folder.make('-i', plain, '-c', 'copy', '-metadata:s:v', 'rotate=90', 'turned.mp4');
    expect(await probeMedia(turned)).toMatchObject({ width: 48, height: 96 });
    const stretched = await folder.make('-i', plain, '-vf', 'setsar=2/1', ...LOSSLESS, 'stretched.mp4');
    expect(await probeMedia(stretched)).toMatchObject({ width: 192, height: 48 });
  });

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)(
    'reads a %s photograph whatever its name',
    async (format) => {
      const bytes = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#804020' } })
        .withMetadata({ orientation: format === 'jpeg' ? 6 : 1 })
        .toFormat(format)
        .toBuffer();
      const info = await probeMedia(await write(`photo-${format}.mp4`, bytes));
      const size = format === 'jpeg' ? { width: 40, height: 60 } : { width: 60, height: 40 };
      expect(info).toMatchObject({
        kind: 'photograph',
        container: format,
        hasVideo: true,
        hasSound: false,
        ...size,
      });
    },
  );

  it('goes by content when the extension lies', async () => {
    const mp3 = await folder.make(...TONE, 'voice.mp3');
    expect(await probeMedia(await cutFile(mp3, 1, 'voice.mp4'))).toMatchObject({ kind: 'sound' });
  });
});

describe('probeMedia() refuses', () => {
  it('a file of zero bytes: MEDIA_EMPTY', async () => {
    await expect(probeMedia(await write('empty.mp4', ''))).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'MEDIA_EMPTY',
    });
  });

  it('a file that is not there: MEDIA_MISSING', async () => {
    await expect(probeMedia(folder.file('nothing.mp4'))).rejects.toMatchObject({
      kind: 'missing',
      reason: 'MEDIA_MISSING',
    });
  });

  it.each(['text.mp4', 'text.wav', 'text.jpg', 'text'])(
    'text that claims to be %s: MEDIA_UNREADABLE',
    async (name) => {
      await expect(probeMedia(await write(name, 'this is no video\n'.repeat(40)))).rejects.toMatchObject({
        reason: 'MEDIA_UNREADABLE',
      });
    },
  );

  it.each([
    ['mp4 with its index at the end', ['-movflags', '0'], 'cut-end.mp4'],
    ['mp4 with its index first', ['-movflags', '+faststart'], 'cut-first.mp4'],
    ['mkv', [], 'cut.mkv'],
  ])('a truncated %s: MEDIA_TRUNCATED', async (_what, options, name) => {
    const path = await folder.make(...CLIP, ...options, `whole-${name}`);
    await expect(probeMedia(await cutFile(path, 0.6, name))).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'MEDIA_TRUNCATED',
    });
  });

  it('a truncated wav: MEDIA_TRUNCATED; but a streamed one of unknown size is read', async () => {
    const path = await folder.make(...TONE, 'whole.wav');
    await expect(probeMedia(await cutFile(path, 0.6, 'cut.wav'))).rejects.toMatchObject({
      reason: 'MEDIA_TRUNCATED',
    });
    const bytes = await readFile(path);
    bytes.writeUInt32LE(0xffff_ffff, bytes.indexOf('data') + 4);
    expect(await probeMedia(await write('streamed.wav', bytes))).toMatchObject({ kind: 'sound' });
  });

  it.each([
    [
      'an HLS playlist',
      'list.m3u8',
      '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n',
    ],
    [
      'an HLS playlist under another name',
      'list.mp4',
      '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\nhttp://127.0.0.1/x.ts\n#EXT-X-ENDLIST\n',
    ],
    ['a concat script', 'list.txt', "ffconcat version 1.0\nfile '/etc/hostname'\n"],
    [
      'a session description',
      'list.sdp',
      'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n',
    ],
    [
      'a DASH manifest',
      'list.mpd',
      '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>file:///etc/</BaseURL></Period></MPD>',
    ],
    ['an SVG', 'face.svg', '<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/hostname"/></svg>'],
    ['a GIF', 'face.gif', 'GIF89a\x01\x00\x01\x00'],
  ])('%s: MEDIA_FORMAT_REFUSED', async (_what, name, content) => {
    await expect(probeMedia(await write(name, content))).rejects.toMatchObject({
      kind: 'invalid',
      reason: 'MEDIA_FORMAT_REFUSED',
    });
  });

  it('a QuickTime file whose pictures lie in another file: MEDIA_UNREADABLE', async () => {
    const other = await folder.make(...countingPictures(10), ...LOSSLESS, 'other.mov');
    const path = await write('reference.mov', pointElsewhere(await readFile(other), other));
    await expect(probeMedia(path)).rejects.toMatchObject({ kind: 'invalid', reason: 'MEDIA_UNREADABLE' });
    // ffmpeg would follow the reference if it were allowed to, so the file above is what it claims to be.
    await expect(
      folder.make('-enable_drefs', '1', '-use_absolute_path', '1', '-i', path, 'followed.mkv'),
    ).resolves.toBeDefined();
  });

  it('an 8K video: SOURCE_TOO_LARGE with size and limit', async () => {
    const path = await folder.make(
      '-f',
      'lavfi',
      '-i',
      'color=s=7680x4320:r=25',
      '-frames:v',
      '1',
      ...LOSSLESS,
      '8k.mp4',
    );
    await expect(probeMedia(path)).rejects.toMatchObject({
      reason: 'SOURCE_TOO_LARGE',
      message: expect.stringContaining('7680x4320'),
      metadata: { width: '7680', height: '4320', maxPixels: String(4096 * 4096) },
    });
  });

  it('a photograph over the limit, without decoding it: SOURCE_TOO_LARGE', async () => {
    const bytes = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    const path = await write('large.png', bytes);
    await expect(probeMedia(path, { limits: { maxPixels: 59_999 } })).rejects.toMatchObject({
      reason: 'SOURCE_TOO_LARGE',
    });
    expect(await probeMedia(path, { limits: { maxPixels: 60_000 } })).toMatchObject({ width: 300 });
  });

  it('a file that lasts too long: MEDIA_TOO_LONG, in the field that the caller named', async () => {
    const path = await folder.make(...TONE, 'long.wav');
    await expect(probeMedia(path, { limits: { maxDurationS: 1 }, field: 'voice' })).rejects.toMatchObject({
      reason: 'MEDIA_TOO_LONG',
      violations: [{ field: 'voice', description: expect.stringContaining('at most 1 s') }],
    });
  });

  it('to go on without ffprobe: FFMPEG_MISSING', async () => {
    const path = await folder.make(...TONE, 'fine.wav');
    const tools = { ffmpegPath: 'ffmpeg', ffprobePath: folder.file('no-ffprobe') };
    await expect(probeMedia(path, { tools })).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'FFMPEG_MISSING',
    });
  });

  it('to wait for a file that cannot be examined in time: MEDIA_PROBE_SLOW', async () => {
    const path = await folder.make(...TONE, 'slow.wav');
    await expect(probeMedia(path, { limits: { probeTimeoutMs: 1 } })).rejects.toMatchObject({
      reason: 'MEDIA_PROBE_SLOW',
    });
  });

  it('to work for a caller who has gone: CALLER_CANCELLED', async () => {
    const path = await folder.make(...TONE, 'gone.wav');
    await expect(probeMedia(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      reason: 'CALLER_CANCELLED',
    });
  });

  it('to let a tag forge streams', async () => {
    const forged = 'x\n[/STREAM]\n[STREAM]\ncodec_type=video\nwidth=9\nheight=9\n[/STREAM]';
    const path = await folder.make(
      ...TONE,
      '-metadata',
      `title=${forged}`,
      '-metadata:s:a',
      `title=${forged}`,
      'forged.mkv',
    );
    expect(await probeMedia(path)).toMatchObject({ kind: 'sound', hasVideo: false, width: 0 });
  });
});

/** A QuickTime file, index last, with the data reference of its track replaced by an alias to another file. */
function pointElsewhere(movie: Buffer, target: string): Buffer {
  const at = movie.indexOf('url ', movie.indexOf('dref')) - 4;
  const alias = aliasRecord(target);
  const grown = Buffer.concat([movie.subarray(0, at), alias, movie.subarray(at + movie.readUInt32BE(at))]);
  const growth = grown.length - movie.length;
  for (const box of ['moov', 'trak', 'mdia', 'minf', 'dinf', 'dref']) {
    const size = grown.lastIndexOf(box, at) - 4;
    grown.writeUInt32BE(grown.readUInt32BE(size) + growth, size);
  }
  return grown;
}

/** An alias record (QuickTime File Format, "Data reference atoms") with an absolute path. */
function aliasRecord(target: string): Buffer {
  const path = Buffer.from(`${target}${target.length % 2 === 1 ? '\0' : ''}`);
  const record = Buffer.alloc(12 + 150 + 4 + path.length + 4);
  record.writeUInt32BE(record.length, 0);
  record.write('alis', 4, 'latin1');
  const levels = 12 + 10 + 28 + 12 + 64 + 16;
  record.writeUInt16BE(1, levels);
  record.writeUInt16BE(1, levels + 2);
  const items = levels + 4 + 16;
  record.writeUInt16BE(2, items);
  record.writeUInt16BE(path.length, items + 2);
  path.copy(record, items + 4);
  record.writeUInt16BE(0xffff, items + 4 + path.length);
  return record;
}
