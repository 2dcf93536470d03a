import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadBundle } from './bundle.ts';
import { openCatalog } from './catalog.ts';
import { readOpsetImports } from './onnx-header.ts';

const TINY = fileURLToPath(new URL('../../test/bundles/tiny', import.meta.url));

describe('a bundle', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'talkmesh-bundle-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A copy of the tiny bundle under another folder name. */
  async function copy(name: string): Promise<string> {
    const target = join(folder, name);
    await cp(TINY, target, { recursive: true });
    return target;
  }

  it('loadBundle() reads its manifest and finds its graphs', async () => {
    const bundle = await loadBundle(TINY);
    expect(bundle.manifest.name).toBe('tiny');
    expect(bundle.manifestSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(bundle.graph('denoiser')).toEqual({
      path: join(TINY, 'denoiser.onnx'),
      spec: bundle.manifest.graphs.denoiser,
    });
    await expect(bundle.verify()).resolves.toBeUndefined();
  });

  it('verify() names the file, the expected and the actual checksum', async () => {
    const damaged = await copy('damaged');
    const path = join(damaged, 'conditioner.onnx');
    const bytes = await readFile(path);
    bytes[100]! ^= 1;
    await writeFile(path, bytes);
    const bundle = await loadBundle(damaged);
    await expect(bundle.verify()).rejects.toMatchObject({
      kind: 'corrupt',
      reason: 'BUNDLE_CHECKSUM_MISMATCH',
      metadata: { file: 'conditioner.onnx', expected: bundle.manifest.graphs.conditioner!.sha256 },
      message: expect.stringMatching(/conditioner\.onnx .* expected sha256 \w{64}, actual \w{64}/),
    });
  });

  it('verify() names a missing file, and ends on cancellation', async () => {
    const partial = await copy('partial');
    await rm(join(partial, 'face_encoder.onnx'));
    const bundle = await loadBundle(partial);
    await expect(bundle.verify()).rejects.toMatchObject({
      reason: 'BUNDLE_GRAPH_UNREADABLE',
      message: 'the file face_encoder.onnx of the bundle tiny cannot be read',
    });
    await expect(bundle.verify(AbortSignal.abort())).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
  });

  it('loadBundle() refuses a folder without a manifest, and one that is not JSON', async () => {
    await expect(loadBundle(folder)).rejects.toMatchObject({ reason: 'BUNDLE_MANIFEST_UNREADABLE' });
    const broken = await copy('broken');
    await writeFile(join(broken, 'bundle.json'), '{"name": ');
    await expect(loadBundle(broken)).rejects.toMatchObject({ reason: 'BUNDLE_MANIFEST_INVALID' });
    await rm(broken, { recursive: true });
  });

  it('graph() refuses a graph that the manifest does not declare', async () => {
    const target = await copy('deaf');
    const path = join(target, 'bundle.json');
    const json = JSON.parse(await readFile(path, 'utf8')) as { graphs: Record<string, unknown> };
    delete json.graphs.audio_features;
    await writeFile(path, JSON.stringify(json));
    const bundle = await loadBundle(target);
    expect(() => bundle.graph('audio_features')).toThrow(
      /has no graph audio_features; it declares conditioner/,
    );
  });

  it('openCatalog() finds bundles by name', async () => {
    const catalog = await openCatalog({ folders: [join(TINY, '..')], defaultBundle: 'tiny' });
    expect(catalog.get('')).toBe(catalog.get('tiny'));
    expect(catalog.list().map(({ manifest }) => manifest.name)).toEqual(['tiny']);
    expect(() => catalog.get('f16-1024')).toThrow('there is no bundle named "f16-1024"; known: tiny');
    const alone = await openCatalog({ folders: [TINY], defaultBundle: 'tiny' });
    expect(alone.defaultBundle.folder).toBe(TINY);
  });

  it('openCatalog() refuses two bundles of a name, an unknown default and a missing folder', async () => {
    await copy('twin');
    const twice = openCatalog({ folders: [TINY, join(folder, 'twin')], defaultBundle: 'tiny' });
    await expect(twice).rejects.toMatchObject({ reason: 'BUNDLE_NAME_TAKEN' });
    const unknown = openCatalog({ folders: [TINY], defaultBundle: 'f8-512' });
    await expect(unknown).rejects.toMatchObject({ kind: 'missing', reason: 'BUNDLE_UNKNOWN' });
    const missing = openCatalog({ folders: [join(folder, 'none')], defaultBundle: 'tiny' });
    await expect(missing).rejects.toMatchObject({ reason: 'BUNDLE_FOLDER_UNREADABLE' });
  });
});

describe('readOpsetImports()', () => {
  it('reads the operator set of a real graph', async () => {
    expect(readOpsetImports(await readFile(join(TINY, 'denoiser.onnx'))).get('')).toBe(17);
  });

  it('throws on bytes that are no model', () => {
    expect(() => readOpsetImports(Uint8Array.of(0x42, 0x7f, 1, 2))).toThrow();
  });
});
