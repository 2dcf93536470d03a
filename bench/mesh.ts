/**
 * What the mesh costs beside its models: the pipeline against the bare loop over the same graphs, five processes
 * against one, the latency that a hop adds, memory over a long clip, and the wait for the first live fragment.
 * All figures of a run come from the same machine in the same minutes; only their ratios mean anything.
 */
import { join } from 'node:path';
import { parseConfig } from '#lib/config/parse.ts';
import { COMMON_FIELDS } from '#mesh/config-fields.ts';
import { openConfiguredCatalog } from '#mesh/leaf-services.ts';
import { runRenderCommand } from '#mesh/render-command.ts';
import { createRenderPipeline } from '#mesh/render-pipeline.ts';
import { DEMO_FACE_VIDEO, DEMO_VOICE } from '#test/support/clips.ts';
import { startFiveProcesses } from '#test/support/five-processes.ts';
import { createHttpClient } from '#test/support/http-client.ts';
import { createFolder } from '#test/support/mesh-process.ts';
import { bareFramesPerSecond } from './bare-loop.ts';
import { loadGraphs } from './graphs.ts';
import { measureHop } from './hop.ts';
import { measureFirstFragment } from './live.ts';
import { measureMemory } from './memory.ts';

const BARE_FRAMES = 60;

export async function runMeshBench(): Promise<Record<string, number | string>> {
  const folder = await createFolder();
  try {
    const { fps: oneProcessFps, meshEfficiency, provider, bundle } = await measureOneProcess(folder.path);
    const bareFps = await measureBareLoop();
    const fiveFps = await measureFiveProcesses(folder.path);
    const hop = await measureHop();
    return {
      bundle,
      provider,
      meshEfficiency,
      oneProcessFps,
      bareFps,
      bareLoopRatio: oneProcessFps / bareFps,
      fiveProcessFps: fiveFps,
      fiveProcessRatio: fiveFps / oneProcessFps,
      hopP50Ms: hop.p50Ms,
      hopP95Ms: hop.p95Ms,
      firstFragmentMs: await measureFirstFragment(),
      rssRatio600to60: await measureMemory(folder.path),
    };
  } finally {
    await folder.remove();
  }
}

async function measureOneProcess(folder: string) {
  console.log('one process ...');
  const out = join(folder, 'one.mp4');
  const args = ['--source', DEMO_FACE_VIDEO, '--audio', DEMO_VOICE, '--out', out];
  const {
    framesPerSecond: fps,
    meshEfficiency,
    provider,
    bundle,
  } = await runRenderCommand(args, process.env, new AbortController().signal);
  return { fps, meshEfficiency, provider, bundle };
}

async function measureBareLoop(): Promise<number> {
  console.log('bare loop ...');
  const config = parseConfig(COMMON_FIELDS, process.env);
  const pipeline = await createRenderPipeline(config);
  try {
    const { defaultBundle } = await openConfiguredCatalog(config);
    const graphs = await loadGraphs(pipeline.runtime, defaultBundle);
    const { workerCount } = pipeline.runtime;
    await bareFramesPerSecond(graphs, 3, workerCount);
    return await bareFramesPerSecond(graphs, BARE_FRAMES, workerCount);
  } finally {
    await pipeline.close();
  }
}

/** The same render over five processes, from the worker's first frame to its last event. */
async function measureFiveProcesses(folder: string): Promise<number> {
  console.log('five processes ...');
  const { bundleFolders, defaultBundle, inferenceThreads } = parseConfig(COMMON_FIELDS, process.env);
  const mesh = await startFiveProcesses(folder, {
    TALKMESH_BUNDLE_FOLDERS: bundleFolders.join(','),
    TALKMESH_DEFAULT_BUNDLE: defaultBundle,
    TALKMESH_INFERENCE_THREADS: String(inferenceThreads),
  });
  try {
    const client = createHttpClient(mesh.url);
    const [sourceAssetId, voiceAssetId] = [
      await client.upload(DEMO_FACE_VIDEO),
      await client.upload(DEMO_VOICE),
    ];
    const render = async (): Promise<number> => {
      const startedAt = performance.now();
      const { id } = await client.createRender({ sourceAssetId, voiceAssetId });
      const ended = await client.untilEnded(id);
      if (ended.error !== undefined) throw new Error(ended.error.message);
      return (Number(ended.frameCount) / (performance.now() - startedAt)) * 1000;
    };
    // The first render loads the models, as `talkmesh render` has before its clock starts.
    await render();
    return await render();
  } finally {
    await mesh.stop();
  }
}
