import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32Tensor, float32Values } from '#lib/tensor/tensor.ts';
import { type Bundle, loadBundle } from './bundle.ts';
import type { Graph, Tensors } from './graph.ts';
import { createInferenceRuntime, type InferenceRuntime, type RunRecord } from './runtime.ts';

const TINY = fileURLToPath(new URL('../../test/bundles/tiny', import.meta.url));
/** A live stream must not stall longer than this (DESIGN, section 5). */
const MAX_STALL_MS = 20;

function waves(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, at) => Math.sin(at * 0.7 + seed));
}

function denoiserInputs(batchSize: number): Tensors {
  const latents = (seed: number) => float32Tensor([batchSize, 4, 32, 32], waves(batchSize * 4096, seed));
  return {
    latents: latents(1),
    masked: latents(2),
    reference: latents(3),
    timesteps: {
      dtype: 'int64',
      shape: [batchSize],
      data: BigInt64Array.from({ length: batchSize }, (_, row) => BigInt(999 - 100 * row)),
    },
    context: float32Tensor([batchSize, 1, 32], waves(batchSize * 32, 4)),
  };
}

describe('createInferenceRuntime()', () => {
  const records: RunRecord[] = [];
  let runtime: InferenceRuntime;
  let bundle: Bundle;
  let denoiser: Graph;
  beforeAll(async () => {
    bundle = await loadBundle(TINY);
    runtime = await createInferenceRuntime(
      { provider: 'cpu', threadCount: 2 },
      { onRun: (record) => records.push(record) },
    );
    denoiser = await runtime.open(bundle, 'denoiser');
  });
  afterAll(() => runtime.close());

  it('gives what a session of onnxruntime gives, and leaves the inputs to their owner', async () => {
    const inputs = denoiserInputs(3);
    const { outputs, elapsedMs } = await denoiser.run(inputs);
    const session = await InferenceSession.create(bundle.graph('denoiser').path, { intraOpNumThreads: 2 });
    const feeds = Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
      name,
      new Tensor(dtype, data, shape),
    ]);
    const expected = await session.run(Object.fromEntries(feeds) as Record<string, Tensor>);
    expect(outputs.prediction?.shape).toEqual([3, 4, 32, 32]);
    expect(outputs.prediction?.data).toEqual(expected.prediction?.data);
    expect(inputs.latents?.data).toEqual(waves(3 * 4096, 1));
    expect(elapsedMs).toBeGreaterThan(0);
    await session.release();
  });

  it('runs prepared memory in place and uses it again', async () => {
    const expected = await denoiser.run(denoiserInputs(2));
    for (let round = 0; round < 3; round++) {
      const call = denoiser.prepare(2);
      for (const [name, { data }] of Object.entries(denoiserInputs(2))) {
        (call.inputs[name]!.data as { set(values: unknown): void }).set(data);
      }
      const { outputs } = await call.run();
      expect(outputs.prediction?.data).toEqual(expected.outputs.prediction?.data);
      call.release();
    }
  });

  it('answers many runs at once, each with its own result', async () => {
    const runs = Array.from({ length: 20 }, (_, at) => {
      const face = float32Tensor([1, 3, 256, 256], new Float32Array(3 * 65_536).fill(at / 20));
      return runtime.open(bundle, 'face_encoder').then((encoder) => encoder.run({ image: face }));
    });
    const means = (await Promise.all(runs)).map(({ outputs }) => float32Values(outputs.latents)[0]!);
    for (const [at, mean] of means.entries()) expect(mean).toBeCloseTo(at / 20, 5);
  });

  it('counts the time inside runs, and once where they overlap', async () => {
    const before = { inferenceMs: runtime.inferenceMs(), busyMs: runtime.busyMs(), records: records.length };
    const startedMs = performance.now();
    const results = await Promise.all([1, 2, 4].map((batchSize) => denoiser.run(denoiserInputs(batchSize))));
    const elapsedMs = performance.now() - startedMs;
    const sumMs = results.reduce((sum, result) => sum + result.elapsedMs, 0);
    expect(runtime.inferenceMs() - before.inferenceMs).toBeCloseTo(sumMs, 3);
    const busyMs = runtime.busyMs() - before.busyMs;
    expect(busyMs).toBeGreaterThan(0);
    expect(busyMs).toBeLessThanOrEqual(Math.min(sumMs, elapsedMs) + 0.01);
    const seen = records.slice(before.records).map(({ graph, batchSize }) => `${graph} ${batchSize}`);
    expect(seen.toSorted()).toEqual(['denoiser 1', 'denoiser 2', 'denoiser 4']);
  });

  it('shares the threads out among its workers, two on the CPU', async () => {
    expect([runtime.workerCount, runtime.threadsPerRun]).toEqual([2, 1]);
    const shares = [
      [{ threadCount: 1 }, [1, 1]],
      [{ threadCount: 5 }, [2, 2]],
      [{ threadCount: 6, workerCount: 3 }, [3, 2]],
    ] as const;
    for (const [config, expected] of shares) {
      const other = await createInferenceRuntime({ provider: 'cpu', ...config });
      expect([other.workerCount, other.threadsPerRun]).toEqual(expected);
      await other.close();
    }
  });

  it('keeps the event loop free while models run', async () => {
    const decoder = await runtime.open(bundle, 'face_decoder');
    const latents = float32Tensor([16, 4, 32, 32], waves(16 * 4096, 5));
    // Counted in processor time of this thread, so that a busy machine does not make the test fail.
    const cpuMs = (): number => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    };
    const stalls: number[] = [];
    let last = cpuMs();
    const timer = setInterval(() => {
      stalls.push(cpuMs() - last);
      last = cpuMs();
    }, 1);
    const results = await Promise.all([1, 2, 3, 4].map(() => decoder.run({ latents })));
    clearInterval(timer);
    expect(results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0)).toBeGreaterThan(MAX_STALL_MS);
    expect(stalls.length).toBeGreaterThan(5);
    expect(Math.max(...stalls)).toBeLessThan(MAX_STALL_MS / 2);
  });

  it('drops a run that is cancelled, whether it waits or is under way', async () => {
    const controller = new AbortController();
    const running = Array.from({ length: 9 }, () => denoiser.run(denoiserInputs(4), controller.signal));
    const before = records.length;
    controller.abort();
    for (const run of await Promise.allSettled(running)) {
      expect(run).toMatchObject({ status: 'rejected', reason: { kind: 'cancelled' } });
    }
    await expect(denoiser.run(denoiserInputs(1), controller.signal)).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await denoiser.run(denoiserInputs(1));
    // Two workers had two runs each; the last run is the one that came after.
    expect(records.length - before).toBeLessThanOrEqual(5);
  });

  it('refuses inputs that are not those of the graph', async () => {
    const { latents: _, ...rest } = denoiserInputs(2);
    const wrong = {
      ...rest,
      masked: float32Tensor([1, 4, 32, 32], new Float32Array(4096)),
      noise: rest.masked!,
    };
    await expect(denoiser.run(wrong)).rejects.toMatchObject({
      reason: 'GRAPH_INPUT_MISMATCH',
      message: expect.stringContaining('noise is not an input; latents is missing'),
    });
  });

  it('refuses a provider that is missing, and a graph that is not the declared one', async () => {
    await expect(createInferenceRuntime({ provider: 'tensorrt', threadCount: 1 })).rejects.toMatchObject({
      reason: 'PROVIDER_UNAVAILABLE',
    });
    const folder = await mkdtemp(join(tmpdir(), 'talkmesh-runtime-'));
    await cp(TINY, folder, { recursive: true });
    const open = async (change: (json: string) => string) => {
      await writeFile(join(folder, 'bundle.json'), change(await readFile(join(TINY, 'bundle.json'), 'utf8')));
      return runtime.open(await loadBundle(folder), 'face_decoder');
    };
    const { sha256 } = bundle.graph('face_decoder').spec;
    const encoder = bundle.graph('face_encoder').spec;
    const swapped = (json: string) =>
      json.replace('face_decoder.onnx', encoder.file).replace(sha256, encoder.sha256);
    await expect(open(swapped)).rejects.toMatchObject({
      reason: 'BUNDLE_GRAPH_MISMATCH',
      message: expect.stringContaining('input latents is declared but absent'),
    });
    const changed = (json: string) => json.replace(sha256, '0'.repeat(64));
    await expect(open(changed)).rejects.toMatchObject({
      kind: 'corrupt',
      reason: 'BUNDLE_CHECKSUM_MISMATCH',
    });
    await expect(open((json) => json)).resolves.toMatchObject({ name: 'face_decoder' });
    await rm(folder, { recursive: true });
  });

  it('says so when the native library cannot be loaded', async () => {
    // Another process, whose threads cannot find the package.
    const hook = `import { registerHooks } from 'node:module';
      const resolve = (name, context, next) => {
        if (name === 'onnxruntime-node') throw new Error('no such library');
        return next(name, context);
      };
      registerHooks({ resolve });`;
    const script = `const { createInferenceRuntime } = await import(${JSON.stringify(import.meta.resolve('./runtime.ts'))});
      const fault = await createInferenceRuntime({ threadCount: 1 }).catch((error) => error);
      console.log(JSON.stringify([fault.kind, fault.reason]));`;
    const folder = await mkdtemp(join(tmpdir(), 'talkmesh-runtime-'));
    const path = join(folder, 'script.mjs');
    await writeFile(path, script);
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, path];
    const { stdout } = await promisify(execFile)(process.execPath, flags);
    expect(JSON.parse(stdout)).toEqual(['precondition', 'INFERENCE_LIBRARY_UNAVAILABLE']);
    await rm(folder, { recursive: true });
  });

  it('fails what waits when it is closed', async () => {
    const closing = await createInferenceRuntime({
      provider: 'cpu',
      threadCount: 1,
      warmUp: false,
    });
    const graph = await closing.open(bundle, 'denoiser');
    const runs = Promise.allSettled([1, 2, 3].map(() => graph.run(denoiserInputs(1))));
    await closing.close();
    const [first, second, third] = await runs;
    // The worker had two of them.
    expect([first?.status, second?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(third).toMatchObject({ status: 'rejected', reason: { reason: 'INFERENCE_CLOSED' } });
    await expect(graph.run(denoiserInputs(1))).rejects.toMatchObject({ reason: 'INFERENCE_CLOSED' });
  });
});
