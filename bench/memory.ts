/** Whether memory depends on a clip's length: resident memory of one render at 60 s and at 600 s of its output. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DEMO_FACE_VIDEO, DEMO_VOICE, ffmpeg } from '#test/support/clips.ts';
import { cleanEnvironment, PROJECT, TINY } from '#test/support/mesh-process.ts';

const SECONDS = 600;
const FRAMES_PER_SECOND = 25;
const EARLY = [40, 60] as const;
const LATE = [580, 600] as const;

/** Peak in the last seconds over the peak around 60 s. The smallest bundle: the length matters, not the models. */
export async function measureMemory(folder: string): Promise<number> {
  console.log(`memory over ${SECONDS} s of output ...`);
  const voice = join(folder, 'long.wav');
  await ffmpeg('-stream_loop', '-1', '-i', DEMO_VOICE, '-t', String(SECONDS), voice);
  const args = ['--source', DEMO_FACE_VIDEO, '--audio', voice, '--out', join(folder, 'long.mp4')];
  const child = spawn(process.execPath, [join(PROJECT, 'mesh/main.ts'), 'render', ...args], {
    env: { ...cleanEnvironment(), ...TINY },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const peaks = { early: 0, late: 0 };
  createInterface({ input: child.stderr }).on('line', (line) => {
    const seconds = Number(/^rendering: (\d+)/.exec(line)?.[1] ?? Number.NaN) / FRAMES_PER_SECOND;
    const window = inside(seconds, EARLY) ? 'early' : inside(seconds, LATE) ? 'late' : undefined;
    if (window !== undefined)
      void residentBytes(child.pid!).then((bytes) => (peaks[window] = Math.max(peaks[window], bytes)));
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`the long render ended with ${status}`);
  return peaks.late / peaks.early;
}

function inside(value: number, [from, to]: readonly [number, number]): boolean {
  return value >= from && value <= to;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
}
