/** The command line, as people and scripts use it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePhoto, makeVoice } from './support/clips.ts';
import { filesBelow, processesMarked } from './support/leftovers.ts';
import {
  cleanEnvironment,
  createFolder,
  PROJECT,
  runTalkmesh,
  type TestFolder,
  TINY,
} from './support/mesh-process.ts';
import { frameHashes } from './support/videos.ts';
import { until } from './support/wait.ts';

let folder: TestFolder;
let face: string;
let voice: string;
let temp: string;
let out: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await createFolder();
  face = await makePhoto(folder.path, 320);
  voice = await makeVoice(folder.path, 0.6);
  temp = join(folder.path, 'temp');
  out = join(folder.path, 'out');
  await Promise.all([mkdir(temp), mkdir(out)]);
  env = { TALKMESH_TEMP_FOLDER: temp, TMPDIR: temp };
});
afterAll(() => folder.remove());

const talkmesh = (...args: string[]) => runTalkmesh(args, env);
const render = (name: string, ...args: string[]) =>
  talkmesh('render', '--source', face, '--audio', voice, '--out', join(out, name), ...args);

describe('talkmesh render', () => {
  it('renders, shows how far it is, and reports what it measured', async () => {
    const report = join(folder.path, 'report.json');
    const { status, stdout, stderr } = await render('plain.mp4', '--seed', '3', '--json', report);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/plain\.mp4: 15 frames, [\d.]+ fps, \d+ % of the time in models\n$/);
    expect(stderr).toMatch(/rendering: 15 of 15 frames, [\d.]+ fps\n$/);
    expect(JSON.parse(await readFile(report, 'utf8'))).toEqual({
      out: join(out, 'plain.mp4'),
      frameCount: 15,
      durationMs: 600,
      wallMs: expect.any(Number),
      framesPerSecond: expect.any(Number),
      meshEfficiency: expect.any(Number),
      inferenceMs: expect.any(Number),
      interpolatedCount: 0,
      provider: 'cpu',
      bundle: 'tiny 1',
      inferenceStepCount: 2,
      referenceMode: 'source',
      seed: '3',
    });
    expect(await filesBelow(temp)).toEqual([]);
  });

  it('gives other frames for another seed, other steps or another reference, and the same for the same', async () => {
    const variants = [
      ['--seed', '3'],
      ['--seed', '4'],
      ['--steps', '1'],
      ['--reference-mode', 'fixed'],
    ];
    const hashes: string[] = [];
    for (const [i, options] of variants.entries()) {
      const { status, stderr } = await render(`variant-${i}.mp4`, ...options);
      expect(status, stderr).toBe(0);
      hashes.push((await frameHashes(join(out, `variant-${i}.mp4`))).join());
    }
    expect(hashes[0]).toBe((await frameHashes(join(out, 'plain.mp4'))).join());
    expect(new Set(hashes).size).toBe(variants.length);
  });

  const refusals: [string, string[], string][] = [
    ['a container that it does not write', ['--out', 'video.avi'], 'OPTION_INVALID: --out'],
    ['a rate that is no number', ['--fps', 'fast'], 'OPTION_INVALID: --fps'],
    ['a rate below that of the bundle', ['--fps', '24'], 'FRAME_RATE_UNSUPPORTED'],
    ['10,000 steps', ['--steps', '10000'], 'STEPS_OUT_OF_RANGE'],
    ['a reference mode that nobody knows', ['--reference-mode', 'none'], 'OPTION_INVALID: --reference-mode'],
    ['a bundle that nobody has', ['--bundle', 'nobody'], 'BUNDLE_UNKNOWN'],
    ['to leave out a mark that the bundle demands', ['--no-mark'], 'MARK_REQUIRED'],
    ['a source that is not there', ['--source', '/nowhere/face.mp4'], 'MEDIA_MISSING'],
    ['an output folder that is not there', ['--out', '/nowhere/video.mp4'], 'OUTPUT_UNWRITABLE: --out'],
    ['an option that nobody knows', ['--colour', 'red'], "OPTION_INVALID: Unknown option '--colour'"],
  ];
  it.each(refusals)('refuses %s', async (_, options, message) => {
    const { status, stderr } = await render('refused.mp4', ...options);
    expect(stderr).toContain(`talkmesh: ${message}`);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
    expect(await readdir(out)).not.toContain('refused.mp4');
    expect(await filesBelow(temp)).toEqual([]);
  });

  it('says which options are missing', async () => {
    const { status, stderr } = await talkmesh('render', '--source', face);
    expect(stderr).toMatch(/OPTION_REQUIRED: --audio, --out missing\n\ntalkmesh render --source FACE/);
    expect(status).toBe(1);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'is cancelled cleanly by %s: status 130, and nothing left',
    async (signal) => {
      const long = await makeVoice(folder.path, 120);
      const target = join(out, `${signal}.mp4`);
      const args = ['render', '--source', face, '--audio', long, '--out', target];
      const child = spawn(process.execPath, [join(PROJECT, 'mesh/main.ts'), ...args], {
        env: { ...cleanEnvironment(), ...TINY, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let text = '';
      child.stderr.on('data', (data: Buffer) => {
        text += data.toString();
      });
      await until('it renders', () => text.includes('frames, '));
      expect(await processesMarked(temp)).toContain('ffmpeg');
      child.kill(signal);
      expect(await once(child, 'close'), text).toEqual([130, null]);
      expect(text).toContain('CALLER_CANCELLED');
      expect(await readdir(out)).not.toContain(`${signal}.mp4`);
      expect((await readdir(out)).filter((name) => name.startsWith('.'))).toEqual([]);
      expect(await filesBelow(temp)).toEqual([]);
      expect(await processesMarked(temp)).toEqual([]);
    },
  );
});

describe('talkmesh bundle', () => {
  it('lists, inspects and verifies', async () => {
    expect(await talkmesh('bundle', 'list')).toMatchObject({
      status: 0,
      stdout: 'tiny 1 (default): difftalk, 512x512, f=8, 2 steps, Apache-2.0\n',
    });
    const { stdout } = await talkmesh('bundle', 'inspect', 'tiny');
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'tiny',
      reference: { resetFrames: 50 },
      graphs: { denoiser: { inputs: { timesteps: 'int64 [B]' } } },
    });
    const verified = await talkmesh('bundle', 'verify');
    expect(verified.stdout).toMatch(/tiny: checksums match\n(.+: loads on cpu, signature as declared\n){7}$/);
    expect(verified.status).toBe(0);
  });

  it('refuses a damaged bundle, an unknown one and an unknown action', async () => {
    const bundles = join(folder.path, 'bundles');
    await cp(join(PROJECT, 'test/bundles/tiny'), join(bundles, 'tiny'), { recursive: true });
    const graph = join(bundles, 'tiny/denoiser.onnx');
    const bytes = await readFile(graph);
    bytes[1000]! ^= 1;
    await writeFile(graph, bytes);
    const damaged = await runTalkmesh(['bundle', 'verify'], { ...env, TALKMESH_BUNDLE_FOLDERS: bundles });
    expect(damaged).toMatchObject({ status: 1, stderr: expect.stringContaining('BUNDLE_CHECKSUM_MISMATCH') });
    const unknown = await talkmesh('bundle', 'inspect', 'nobody');
    expect(unknown).toMatchObject({ status: 1, stderr: expect.stringContaining('BUNDLE_UNKNOWN') });
    const action = await talkmesh('bundle', 'burn');
    expect(action).toMatchObject({ status: 1, stderr: expect.stringContaining('COMMAND_UNKNOWN') });
  });
});

describe('talkmesh doctor', () => {
  const free = { TALKMESH_HTTP_ADDRESS: '127.0.0.1:0', TALKMESH_GRPC_ADDRESS: '127.0.0.1:0' };
  const NAMES = ['ffmpeg', 'ffprobe', 'encoders', 'NATS', 'HTTP port', 'gRPC port', 'models', 'provider'];

  it('finds all that is needed', async () => {
    const { status, stdout } = await runTalkmesh(['doctor'], { ...env, ...free });
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.replace(/:.*/, ''))).toEqual(NAMES.map((name) => `ok    ${name}`));
    expect(status).toBe(0);
  });

  it('names the remedy for what is broken, and goes on', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const fake = join(folder.path, 'fake-ffmpeg');
    await copyFile('/bin/true', fake);
    const { status, stdout } = await runTalkmesh(['doctor'], {
      ...env,
      ...free,
      TALKMESH_FFMPEG: fake,
      TALKMESH_FFPROBE: '/nowhere/ffprobe',
      TALKMESH_NATS_URL: 'nats://127.0.0.1:1',
      TALKMESH_HTTP_ADDRESS: `127.0.0.1:${port}`,
      TALKMESH_DEFAULT_BUNDLE: 'nobody',
    });
    server.close();
    const failed = [...stdout.matchAll(/^FAIL {2}(.+?): .+\n {6}remedy: .+$/gm)].map((match) => match[1]);
    expect(failed).toEqual(['ffprobe', 'encoders', 'NATS', 'HTTP port', 'models']);
    expect(stdout).toMatch(/encoders: libx264, aac, libvpx-vp9, libopus missing/);
    expect(status).toBe(1);
  });

  it('lists every configuration key', async () => {
    const { status, stdout } = await talkmesh('doctor', '--config');
    const keys = stdout.match(/^TALKMESH_\w+$/gm)!;
    expect(keys).toEqual(
      expect.arrayContaining(['TALKMESH_NATS_URL', 'TALKMESH_API_KEYS', 'TALKMESH_FFMPEG']),
    );
    expect(new Set(keys).size).toBe(keys.length);
    expect(status).toBe(0);
  });
});

describe('talkmesh', () => {
  it('explains itself and each command', async () => {
    const { status, stdout } = await talkmesh();
    expect(status).toBe(0);
    for (const command of ['render', 'up', 'bundle', 'doctor']) {
      expect(stdout).toContain(`talkmesh ${command}`);
      expect((await talkmesh('help', command)).stdout).toMatch(new RegExp(`^talkmesh ${command} `));
    }
  });

  it('refuses a command that there is not, with status 2', async () => {
    const { status, stderr } = await talkmesh('dance');
    expect(stderr).toMatch(/^talkmesh: there is no command "dance"\n/);
    expect(status).toBe(2);
  });

  it('refuses configuration that is unknown or wrong, all of it at once', async () => {
    const wrong = {
      TALKMESH_PROVIDER: 'abacus',
      TALKMESH_INFERENCE_THREADS: '0',
      TALKMESH_TEMP_FODLER: '/tmp',
    };
    const { status, stderr } = await runTalkmesh(['bundle', 'list'], { ...env, ...wrong });
    for (const key of Object.keys(wrong)) expect(stderr).toContain(key);
    expect(stderr).toContain('TALKMESH_TEMP_FOLDER');
    expect(status).toBe(1);
  });

  it('refuses a single service without NATS, a service that there is not, and an open door', async () => {
    const up = async (...args: string[]) => (await talkmesh('up', ...args)).stderr;
    expect(await up('--only', 'denoiser')).toContain('NATS_URL_REQUIRED');
    expect(await up('--only', 'dancer')).toContain('OPTION_INVALID: --only');
    expect(await up('--colour')).toContain("OPTION_INVALID: Unknown option '--colour'");
    const open = {
      ...env,
      TALKMESH_DATA_FOLDER: join(folder.path, 'data'),
      TALKMESH_HTTP_ADDRESS: '0.0.0.0:0',
    };
    expect((await runTalkmesh(['up'], open)).stderr).toContain('API_KEYS_REQUIRED');
    const reset = { ...env, TALKMESH_DATA_FOLDER: join(folder.path, 'data'), TALKMESH_SEGMENT_FRAMES: '60' };
    expect((await runTalkmesh(['up'], reset)).stderr).toContain('SEGMENT_FRAMES_INVALID');
  });
});
