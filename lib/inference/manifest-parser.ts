import { Fault, type FieldViolation } from '#lib/fault/fault.ts';
import { graphSignatureViolations } from './graph-signatures.ts';
import { type BundleManifest, FORMAT_VERSION, type GRAPH_NAMES, LANDMARK_COUNT } from './manifest.ts';
import {
  anything,
  array,
  boolean,
  either,
  integer,
  number,
  object,
  oneOf,
  optional,
  type Reader,
  record,
  text,
} from './strict-reader.ts';

const TINY = Number.MIN_VALUE;
const landmark = integer(0, LANDMARK_COUNT - 1);
const count = integer(1, 1_000_000);

const tensorSpec = object({
  dtype: oneOf('float32', 'int64'),
  shape: array(
    either((value) => typeof value === 'string', oneOf('B'), integer(1, 2 ** 31 - 1)),
    { min: 1 },
  ),
});

const graphSpec = object({
  file: text(/^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$/),
  sha256: text(/^[0-9a-f]{64}$/),
  opset: integer(1, 1000),
  precision: oneOf('fp32', 'fp16', 'int8'),
  inputs: record(tensorSpec),
  outputs: record(tensorSpec),
});

const provenance: Reader<BundleManifest['provenance']> = (value, field, violations) => {
  const facts = record(anything)(value, field, violations);
  if (facts === undefined) return undefined;
  const { trainedOn, seconds, device } = facts;
  const known = object({ trainedOn: text(), seconds: number(0), device: text() });
  const named = known({ trainedOn, seconds, device }, field, violations);
  return named === undefined ? undefined : { ...facts, ...named };
};

const manifestReader = object({
  formatVersion: oneOf(FORMAT_VERSION),
  name: text(/^[a-z0-9][a-z0-9-]{0,62}$/),
  version: text(/^[0-9A-Za-z][0-9A-Za-z.-]{0,62}$/),
  method: oneOf('difftalk'),
  image: object({ sizePx: integer(8, 8192), downsampling: integer(1, 64) }),
  region: object({
    x: integer(0, 8192),
    y: integer(0, 8192),
    width: integer(1, 8192),
    height: integer(1, 8192),
  }),
  latent: object({ channels: integer(1, 64), scale: number(TINY) }),
  diffusion: object({
    betaSchedule: oneOf('scaled-linear'),
    betaStart: number(TINY, 1),
    betaEnd: number(TINY, 1),
    trainTimesteps: count,
    predictionType: oneOf('epsilon', 'sample', 'v-prediction'),
    timestepSpacing: oneOf('trailing', 'leading-plus-one'),
    finalAlphaCumprod: oneOf('one', 'first'),
    steps: object({ default: count, min: count, max: count }),
    guidanceScale: object({ default: number(1, 100), unconditionalContext: optional(array(number())) }),
    inpaint: oneOf('none', 'replace'),
  }),
  reference: object({
    modes: array(oneOf('fixed', 'progressive', 'source'), { min: 1 }),
    default: oneOf('fixed', 'progressive', 'source'),
    resetFrames: count,
  }),
  fps: object({ numerator: integer(1, 240_000), denominator: integer(1, 1001) }),
  audio: object({
    recipe: oneOf('log-mel'),
    sampleRateHz: integer(8000, 192_000),
    fftSize: integer(16, 65_536),
    windowSize: integer(16, 65_536),
    hopSize: integer(1, 65_536),
    windowFunction: oneOf('hann-periodic'),
    bands: integer(1, 4096),
    minHz: number(0),
    maxHz: number(TINY),
    melScale: oneOf('htk'),
    melNorm: oneOf('none'),
    logFloor: number(TINY),
    normalisation: object({
      kind: oneOf('running-mean'),
      prior: array(number(), { min: 1 }),
      priorFrames: count,
      maxFrames: count,
      scale: array(number(TINY), { min: 1 }),
      updateAbove: optional(number()),
    }),
    contextFrames: integer(1, 4096),
    features: integer(1, 65_536),
    window: object({ left: integer(0, 1000), right: integer(0, 1000) }),
  }),
  landmarks: object({
    topology: oneOf('ibug-68'),
    visible: array(landmark, { min: 1 }),
    unit: oneOf('crop-fraction', 'crop-pixels'),
    squareScale: number(1, 10),
  }),
  crop: object({ anchors: array(landmark, { min: 2 }), template: array(pair(), { min: 2 }) }),
  mask: object({
    polygon: array(
      either(
        (value) => typeof value === 'object' && value !== null && 'landmark' in value,
        object({ landmark, dx: number(), dy: number() }),
        object({ x: number(), y: number() }),
      ),
      { min: 3 },
    ),
    featherPx: number(0, 8192),
    fill: number(-1, 1),
  }),
  graphs: object({
    audio_features: optional(graphSpec),
    conditioner: graphSpec,
    face_encoder: graphSpec,
    denoiser: graphSpec,
    face_decoder: graphSpec,
    face_detector: optional(graphSpec),
    face_landmarks: optional(graphSpec),
  } satisfies Record<(typeof GRAPH_NAMES)[number], unknown>),
  licence: text(),
  provenance,
  quality: record(anything),
  policy: object({ visibleMark: boolean, consent: oneOf('required', 'none') }),
}) satisfies Reader<BundleManifest>;

function pair(): Reader<readonly [number, number]> {
  return (value, field, violations) => {
    const items = array(number(), { length: 2 })(value, field, violations);
    return items === undefined ? undefined : [items[0]!, items[1]!];
  };
}

/**
 * Reads a manifest strictly: unknown fields, missing ones, contradictions between fields, and graphs whose
 * signatures disagree with the rest of the manifest or with each other are all named in one fault.
 *
 * @param json the parsed `bundle.json`
 * @param origin the name of the bundle's folder, for the message
 * @throws Fault precondition BUNDLE_MANIFEST_INVALID
 */
export function parseManifest(json: unknown, origin: string): BundleManifest {
  const violations: FieldViolation[] = [];
  const manifest = manifestReader(json, '', violations);
  if (manifest !== undefined) {
    violations.push(...contradictions(manifest), ...graphSignatureViolations(manifest));
    if (violations.length === 0) return manifest;
  }
  const list = violations.map(({ field, description }) => `${field} ${description}`).join('; ');
  throw new Fault('precondition', 'BUNDLE_MANIFEST_INVALID', `bundle.json of ${origin}: ${list}`, {
    violations,
  });
}

function contradictions(manifest: BundleManifest): FieldViolation[] {
  const { image, region, diffusion, reference, audio, landmarks, crop, mask } = manifest;
  const found: FieldViolation[] = [];
  const require = (holds: boolean, field: string, description: string): void => {
    if (!holds) found.push({ field, description });
  };
  const cell = image.downsampling;
  require(image.sizePx % cell === 0, 'image.sizePx', `must be a multiple of image.downsampling, ${cell}`);
  for (const side of ['x', 'y', 'width', 'height'] as const) {
    require(region[side] % cell === 0, `region.${side}`, `must be a multiple of image.downsampling, ${cell}`);
  }
  require(region.x + region.width <=
    image.sizePx, 'region.width', `leaves the crop of ${image.sizePx} pixels`);
  require(region.y + region.height <=
    image.sizePx, 'region.height', `leaves the crop of ${image.sizePx} pixels`);
  require(diffusion.betaStart <=
    diffusion.betaEnd, 'diffusion.betaStart', 'must not exceed diffusion.betaEnd');
  const { steps, guidanceScale } = diffusion;
  require(steps.min <= steps.default &&
    steps.default <= steps.max, 'diffusion.steps', 'must have min <= default <= max');
  require(steps.max <=
    diffusion.trainTimesteps, 'diffusion.steps.max', 'must not exceed diffusion.trainTimesteps');
  const guidable = guidanceScale.unconditionalContext !== undefined || guidanceScale.default === 1;
  require(guidable, 'diffusion.guidanceScale.default', 'must be 1 without diffusion.guidanceScale.unconditionalContext');
  require(reference.modes.includes(reference.default), 'reference.default', 'must be one of reference.modes');
  require(Number.isInteger(Math.log2(audio.fftSize)), 'audio.fftSize', 'must be a power of two');
  require(audio.windowSize % 2 === 0, 'audio.windowSize', 'must be even');
  require(audio.contextFrames % 2 === 0, 'audio.contextFrames', 'must be even');
  require(audio.windowSize <= audio.fftSize, 'audio.windowSize', 'must not exceed audio.fftSize');
  require(audio.minHz < audio.maxHz, 'audio.minHz', 'must be below audio.maxHz');
  require(audio.maxHz <= audio.sampleRateHz / 2, 'audio.maxHz', 'must not exceed half of audio.sampleRateHz');
  for (const part of ['prior', 'scale'] as const) {
    const { length } = audio.normalisation[part];
    require(length ===
      audio.bands, `audio.normalisation.${part}`, `must hold audio.bands = ${audio.bands} values, not ${length}`);
  }
  require(unique(landmarks.visible), 'landmarks.visible', 'must not name a point twice');
  require(unique(crop.anchors), 'crop.anchors', 'must not name a point twice');
  const { length } = crop.anchors;
  require(crop.template.length ===
    length, 'crop.template', `must hold one point for each of the ${length} anchors`);
  mask.polygon.forEach((vertex, index) => {
    if (!('landmark' in vertex)) return;
    const visible = landmarks.visible.includes(vertex.landmark);
    require(visible, `mask.polygon[${index}].landmark`, `must be in landmarks.visible, ${vertex.landmark} is not`);
  });
  return found;
}

function unique(values: readonly number[]): boolean {
  return new Set(values).size === values.length;
}
