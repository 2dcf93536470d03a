import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fault, isFault } from '#lib/fault/fault.ts';
import { parseManifest } from './manifest-parser.ts';

type Json = { [key: string]: unknown };

const TINY = readFileSync(new URL('../../test/bundles/tiny/bundle.json', import.meta.url), 'utf8');
const tiny = (): Json => JSON.parse(TINY) as Json;

/** The tiny manifest with the value at a dotted path replaced; undefined removes it. */
function changed(path: string, value: unknown): Json {
  const json = tiny();
  const keys = path.split('.');
  const last = keys.pop()!;
  let parent = json;
  for (const key of keys) parent = parent[key] as Json;
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return json;
}

function faultOf(json: unknown): Fault {
  try {
    parseManifest(json, 'tiny');
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
  throw new Error('the manifest was accepted');
}

function violationsOf(json: unknown): string[] {
  return faultOf(json).violations.map(({ field, description }) => `${field} ${description}`);
}

describe('parseManifest()', () => {
  it('reads a whole manifest', () => {
    const manifest = parseManifest(tiny(), 'tiny');
    expect(manifest.name).toBe('tiny');
    expect(manifest.graphs.denoiser?.inputs.timesteps).toEqual({ dtype: 'int64', shape: ['B'] });
    expect(manifest.provenance.seconds).toBe(0);
    expect(manifest.diffusion.guidanceScale.unconditionalContext).toBeUndefined();
  });

  it('names every violation in one fault', () => {
    const json = tiny();
    Object.assign(json, { name: 'Tiny!', colour: 'red', latent: { channels: 0, scale: '1' } });
    delete json.policy;
    const fault = faultOf(json);
    expect(fault).toMatchObject({ kind: 'precondition', reason: 'BUNDLE_MANIFEST_INVALID' });
    expect(fault.violations.map(({ field }) => field).toSorted()).toEqual([
      'colour',
      'latent.channels',
      'latent.scale',
      'name',
      'policy',
    ]);
    expect(fault.message).toContain('latent.channels must be an integer of at least 1 and at most 64, not 0');
  });

  it.each([
    ['formatVersion', 2, 'formatVersion must be 1, not 2'],
    ['image.sizePx', 510, 'image.sizePx must be a multiple of image.downsampling, 8'],
    ['region.x', 300, 'region.x must be a multiple of image.downsampling, 8'],
    ['region.x', 304, 'region.width leaves the crop of 512 pixels'],
    ['diffusion.betaStart', 0.9, 'diffusion.betaStart must not exceed diffusion.betaEnd'],
    ['diffusion.steps.default', 201, 'diffusion.steps must have min <= default <= max'],
    ['diffusion.steps.max', 2000, 'diffusion.steps.max must not exceed diffusion.trainTimesteps'],
    [
      'diffusion.guidanceScale.default',
      2,
      'diffusion.guidanceScale.default must be 1 without diffusion.guidanceScale.unconditionalContext',
    ],
    [
      'diffusion.guidanceScale.unconditionalContext',
      [0, 0],
      'diffusion.guidanceScale.unconditionalContext must hold K * D = 32 values, not 2',
    ],
    ['reference.modes', ['fixed'], 'reference.default must be one of reference.modes'],
    ['audio.windowSize', 1024, 'audio.windowSize must not exceed audio.fftSize'],
    ['audio.maxHz', 9000, 'audio.maxHz must not exceed half of audio.sampleRateHz'],
    ['audio.normalisation.prior', [1], 'audio.normalisation.prior must hold audio.bands = 80 values, not 1'],
    ['landmarks.visible', undefined, 'landmarks.visible is required'],
    ['crop.anchors', [27, 27], 'crop.anchors must not name a point twice'],
    ['mask.polygon', [{ landmark: 8, dx: 0, dy: 0 }], 'mask.polygon must hold at least 3 items, not 1'],
    ['graphs.denoiser', undefined, 'graphs.denoiser is required'],
    ['graphs.denoiser.file', '../denoiser.onnx', /^graphs\.denoiser\.file must be text matching/],
    ['graphs.denoiser.sha256', 'ABC', /^graphs\.denoiser\.sha256 must be text matching/],
    ['graphs.upscaler', {}, /^graphs\.upscaler is unknown; the fields here are audio_features/],
    ['provenance.trainedOn', undefined, /^provenance\.trainedOn must be text/],
    [
      'graphs.face_encoder.inputs',
      { picture: { dtype: 'float32', shape: ['B', 3, 256, 256] } },
      'graphs.face_encoder.inputs must be image, not picture',
    ],
    [
      'graphs.face_encoder.outputs.latents.shape',
      ['B', 3, 32, 32],
      'graphs.face_encoder.outputs.latents must be float32 [B, 4, 32, 32], not float32 [B, 3, 32, 32]',
    ],
    [
      'graphs.denoiser.inputs.context.shape',
      ['B', 1, 64],
      'graphs.denoiser.inputs.context has D = 64, but graphs.conditioner.outputs.context has 32',
    ],
    [
      'graphs.denoiser.inputs.timesteps.dtype',
      'float32',
      'graphs.denoiser.inputs.timesteps must be int64 [B], not float32 [B]',
    ],
  ])('refuses %s = %j', (path, value, violation) => {
    const violations = violationsOf(changed(path, value));
    if (typeof violation === 'string') expect(violations).toContain(violation);
    else expect(violations.some((text) => violation.test(text))).toBe(true);
  });

  it('refuses a mask that follows a hidden landmark', () => {
    const polygon = [
      { x: 1, y: 1 },
      { x: 9, y: 1 },
      { landmark: 57, dx: 0, dy: 0 },
    ];
    const violation = 'mask.polygon[2].landmark must be in landmarks.visible, 57 is not';
    expect(violationsOf(changed('mask.polygon', polygon))).toEqual([violation]);
  });

  it('takes a manifest or gives a fault that names fields, whatever single value is replaced', () => {
    const paths: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (path !== '') paths.push(path);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
      for (const [key, entry] of Object.entries(value)) walk(entry, path === '' ? key : `${path}.${key}`);
    };
    walk(tiny(), '');
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        try {
          parseManifest(changed(path, value), 'tiny');
        } catch (error) {
          expect(isFault(error) && error.reason).toBe('BUNDLE_MANIFEST_INVALID');
          expect((error as Fault).violations.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([null, 7, 'x', []])('refuses %j as a manifest', (json) => {
    expect(violationsOf(json)[0]).toMatch(/^\. must be an object/);
  });
});
