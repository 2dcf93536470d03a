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
  const figures: Record<string, number | string> = {};
  // Each figure is shown when it is there: the last takes minutes.
  const note = (more: Record<string, number | string>): void => {
    Object.assign(figures, more);
    console.log(JSON.stringify(more));
  };
  try {
    const { fps: oneProcessFps, ...facts } = await measureOneProcess(folder.path);
    note({ oneProcessFps, ...facts });
    const bareFps = await measureBareLoop();
    note({ bareFps, bareLoopRatio: oneProcessFps / bareFps });
    const fiveProcessFps = await measureFiveProcesses(folder.path);
    note({ fiveProcessFps, fiveProcessRatio: fiveProcessFps / oneProcessFps });
    const { p50Ms, p95Ms } = await measureHop();
    note({ hopP50Ms: p50Ms, hopP95Ms: p95Ms });
    note({ firstFragmentMs: await measureFirstFragment() });
    note({ rssRatio600to60: await measureMemory(folder.path) });
    return figures;
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
