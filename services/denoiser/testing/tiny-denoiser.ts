/** The denoiser on the tiny bundle and on variants of it, with real graphs, as its tests use it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DenoiseResponse, DenoiserService } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { type Catalog, openCatalog } from '#lib/inference/catalog.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { createInferenceRuntime, type InferenceRuntime, type RunRecord } from '#lib/inference/runtime.ts';
import { local } from '#lib/rpc/local.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { DEFAULT_DENOISER_CONFIG, type DenoiserConfig } from '../config.ts';
import { createDenoiserService } from '../service.ts';
import { collectFaces, type HeaderFields, type RequestInit, streamRequests } from './conditions.ts';

const TINY = fileURLToPath(new URL('../../../test/bundles/tiny', import.meta.url));

/** The parts of a manifest that the variants change. */
interface ManifestJson {
  readonly diffusion: Record<string, unknown>;
  readonly reference: Record<string, unknown>;
  readonly latent: Record<string, unknown>;
  readonly graphs: { readonly face_decoder: Record<string, unknown> };
}

const VARIANTS: Readonly<Record<string, (json: ManifestJson) => void>> = {
  guided(json) {
    json.diffusion.guidanceScale = { default: 2, unconditionalContext: Array(32).fill(0) };
  },
  released(json) {
    Object.assign(json.diffusion, {
      predictionType: 'epsilon',
      timestepSpacing: 'leading-plus-one',
      finalAlphaCumprod: 'first',
      inpaint: 'replace',
      steps: { default: 4, min: 1, max: 200 },
    });
    Object.assign(json.reference, { modes: ['fixed'], default: 'fixed' });
    json.latent.scale = 0.5;
  },
  damaged(json) {
    json.graphs.face_decoder.sha256 = '0'.repeat(64);
  },
};

export type DenoiserClient = ServiceClient<typeof DenoiserService>;

export interface TinyDenoiser {
  readonly catalog: Catalog;
  /** That of the tiny bundle. */
  readonly manifest: BundleManifest;
  readonly runtime: InferenceRuntime;
  /** Every run of a graph so far. */
  readonly runs: readonly RunRecord[];
  readonly client: DenoiserClient;
  /** Another service on the same runtime. */
  serve(config: Partial<DenoiserConfig>): DenoiserClient;
  /** The faces of a made-up stream, as digests by frame index. */
  solo(
    seed: number,
    first: number,
    end: number,
    header?: HeaderFields,
    of?: BundleManifest,
  ): Promise<Map<number, string>>;
  /** Everything that is answered to these requests. */
  parts(requests: AsyncIterable<RequestInit>): Promise<DenoiseResponse['part'][]>;
  close(): Promise<void>;
}

export async function createTinyDenoiser(): Promise<TinyDenoiser> {
  const folder = await mkdtemp(join(tmpdir(), 'talkmesh-denoiser-'));
  await cp(TINY, join(folder, 'tiny'), { recursive: true });
  for (const [name, change] of Object.entries(VARIANTS)) {
    await cp(TINY, join(folder, name), { recursive: true });
    const path = join(folder, name, 'bundle.json');
    const json = JSON.parse(await readFile(path, 'utf8')) as ManifestJson;
    change(json);
    await writeFile(path, JSON.stringify({ ...json, name }));
  }
  const catalog = await openCatalog({ folders: [folder], defaultBundle: 'tiny' });
  const { manifest } = catalog.defaultBundle;
  const runs: RunRecord[] = [];
  const runtime = await createInferenceRuntime(
    { provider: 'cpu', threadCount: 2 },
    { onRun: (run) => runs.push(run) },
  );
  const serve = (config: Partial<DenoiserConfig>): DenoiserClient =>
    local(
      DenoiserService,
      createDenoiserService({ ...DEFAULT_DENOISER_CONFIG, ...config }, { catalog, runtime }),
    );
  const client = serve({});
  return {
    catalog,
    manifest,
    runtime,
    runs,
    client,
    serve,
    solo: (seed, first, end, header = {}, of = manifest) =>
      collectFaces(client.denoise(streamRequests(of, seed, first, end, header))),
    async parts(requests) {
      const received: DenoiseResponse['part'][] = [];
      for await (const { part } of client.denoise(requests)) received.push(part);
      return received;
    },
    async close() {
      await runtime.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A stream of exactly these requests. */
export async function* just(...requests: RequestInit[]): AsyncGenerator<RequestInit> {
  yield* requests;
}
