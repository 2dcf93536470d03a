import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FfmpegJob, type FfmpegProcess, startFfmpeg } from './ffmpeg-process.ts';
import { readFault } from './media-fault.ts';
import { DEFAULT_TOOLS, type FfmpegTools } from './media-input.ts';
import { createTestFolder, ffmpegChildren, type TestFolder } from './test-media.ts';

let folder: TestFolder;
let started: FfmpegProcess[];
beforeEach(async () => {
  folder = await createTestFolder();
  started = [];
});
afterEach(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await folder.remove();
});

/** Starts a process that does not outlive its test. */
function start(work: FfmpegJob): FfmpegProcess {
  const process = startFfmpeg(work);
  started.push(process);
  return process;
}

function job(
  outputs: FfmpegJob['outputs'],
  more: Partial<FfmpegJob> = {},
  tools: FfmpegTools = DEFAULT_TOOLS,
): FfmpegJob {
  return {
    inputs: [{ source: 'testsrc2=s=640x360:r=25', options: ['-f', 'lavfi'] }],
    outputs,
    tools,
    fault: (failure) => readFault(failure, tools, 'source'),
    ...more,
  };
}

const ENDLESS = [{ target: 'pipe', options: ['-f', 'rawvideo', '-pix_fmt', 'rgb24'] }];
const TEN_FRAMES = [{ target: 'pipe', options: ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-frames:v', '10'] }];

async function readAll(output: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of output) bytes += chunk.length;
  return bytes;
}

async function untilRunning(): Promise<number> {
  for (;;) {
    const [pid] = await ffmpegChildren();
    if (pid !== undefined) return pid;
    await sleep(5);
  }
}

describe('startFfmpeg()', () => {
  it('gives everything that ffmpeg writes, then ends', async () => {
    const process = start(job(TEN_FRAMES));
    expect(await readAll(process.output)).toBe(640 * 360 * 3 * 10);
    await expect(process.done).resolves.toEqual({ stderr: '' });
    await process.stop();
  });

  it('waits for a reader instead of filling memory', async () => {
    const { output } = start(job(ENDLESS));
    await expect.poll(() => output.readableLength, { timeout: 10_000 }).toBeGreaterThan(1 << 20);
    await sleep(300);
    const buffered = output.readableLength;
    await sleep(300);
    expect(output.readableLength).toBe(buffered);
    expect(buffered).toBeLessThan(4 << 20);
  });

  it('is gone after stop(), even if stopped before it started, and a second stop() does no harm', async () => {
    const process = start(job(ENDLESS));
    await process.stop();
    await process.stop();
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('is gone after stop() when it had finished and nobody had read its output', async () => {
    const oneFrame = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-frames:v', '1'];
    const process = start(job([{ target: 'pipe', options: oneFrame }]));
    await expect.poll(() => process.output.readableLength, { timeout: 10_000 }).toBe(640 * 360 * 3);
    await expect.poll(ffmpegChildren, { timeout: 10_000 }).toEqual([]);
    await process.stop();
  });

  it('is killed by an abort, with the reason of the signal', async () => {
    const controller = new AbortController();
    const process = start(job(ENDLESS, { signal: controller.signal }));
    const reading = readAll(process.output);
    reading.catch(() => undefined);
    await untilRunning();
    controller.abort(new DOMException('late', 'TimeoutError'));
    await expect(reading).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    await expect(process.done).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('refuses to start under an aborted signal', async () => {
    const process = start(job(ENDLESS, { signal: AbortSignal.abort() }));
    await expect(process.done).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    expect(await ffmpegChildren()).toEqual([]);
  });

  it('reports FFMPEG_KILLED when something else kills it', async () => {
    const running = start(job(ENDLESS));
    const reading = readAll(running.output);
    reading.catch(() => undefined);
    process.kill(await untilRunning(), 'SIGKILL');
    await expect(reading).rejects.toMatchObject({ kind: 'unavailable', reason: 'FFMPEG_KILLED' });
  });

  it('reports FFMPEG_MISSING with the remedy', async () => {
    const tools = { ffmpegPath: '/nowhere/ffmpeg', ffprobePath: 'ffprobe' };
    const process = start(job(ENDLESS, {}, tools));
    await expect(readAll(process.output)).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'FFMPEG_MISSING',
      message: expect.stringMatching(/\/nowhere\/ffmpeg.*install it/),
    });
    await process.stop();
  });

  it('reports DISK_FULL', async () => {
    const process = startFfmpeg(
      job([{ target: '/dev/full', options: ['-f', 'rawvideo', '-frames:v', '10'] }]),
    );
    await expect(process.done).rejects.toMatchObject({ kind: 'saturated', reason: 'DISK_FULL' });
  });

  it('keeps file names out of what the caller sees', async () => {
    const inputs = [{ source: `file:${folder.file('a-secret-name.mp4')}`, options: [] }];
    const process = start(job(TEN_FRAMES, { inputs }));
    const fault = await process.done.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(fault).toMatchObject({ reason: 'MEDIA_UNREADABLE' });
    expect(fault).toMatchObject({
      message: expect.not.stringContaining('secret'),
      cause: { message: expect.stringContaining('secret') },
    });
  });

  it('passes an option with a space as it is', async () => {
    const path = folder.file('tagged.mkv');
    const output = { target: path, options: ['-metadata', 'title=two words', '-frames:v', '1'] };
    await start(job([output])).done;
    const tags = await folder.make('-i', path, '-f', 'ffmetadata', 'tags.txt');
    expect(await readFile(tags, 'utf8')).toContain('title=two words');
  });
});
