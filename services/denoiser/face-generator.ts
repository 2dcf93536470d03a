import { Fault } from '#lib/fault/fault.ts';
import type { Tensors } from '#lib/inference/graph.ts';
import { writePixels, writePlanes } from '#lib/tensor/image.ts';
import { float32Values } from '#lib/tensor/tensor.ts';
import type { BatcherMember, BatchStage, CallShare, Row } from './batcher.ts';
import type { Engine } from './engine.ts';
import type { Conditions } from './frame-reader.ts';
import { createPredictor } from './guidance.ts';
import { knownCells, replaceKnown } from './inpainting.ts';
import { fillGaussianNoise } from './noise.ts';
import type { StreamTerms } from './terms.ts';

/** A generated region. */
export interface Face {
  readonly frameIndex: number;
  /** RGB bytes of the bundle's region size. */
  readonly pixels: Uint8Array;
  /** Rows that shared the UNet calls of this frame, on average. */
  readonly meanBatchSize: number;
}

/** Generates the faces of one stream. */
export interface FaceGenerator {
  /**
   * Generates one frame. Frames are given in order, several at once: what does not depend on the frame before
   * runs ahead.
   *
   * In progressive mode the reference of a frame is the final latents of the frame before, as they are, where the
   * paper (section 3.4) decodes and encodes the generated picture: the same picture without the autoencoder's
   * loss, and two graph runs fewer. It starts afresh from the header's reference at the stream's first frame, where
   * the frame asks for it, and at each frame index that the bundle's `resetFrames` divides, so that a stream
   * resumed there equals one that was never interrupted. In source mode it is the frame's own region.
   *
   * @throws Fault internal NON_FINITE_LATENTS, INFERENCE_FAILED; unavailable INFERENCE_WORKER_LOST; or what the
   *   batcher was left with
   */
  generate(conditions: Conditions, dueMs: number): Promise<Face>;
  /** The stream's share of the time inside ONNX runs so far. */
  inferenceMs(): number;
}

interface EncodedRegion {
  readonly pixels: Uint8Array;
  readonly latents: Promise<Float32Array>;
}

interface MaskedRegion extends EncodedRegion {
  /** Set when the bundle re-noises known latents. */
  readonly known: Uint8Array | undefined;
}

/** The frame index that stands for all frames where noise is drawn. */
const SHARED_NOISE = 0;

/** @param startDueMs when the encoding of the reference is due */
export function createFaceGenerator(
  engine: Engine,
  terms: StreamTerms,
  member: BatcherMember,
  startDueMs: number,
): FaceGenerator {
  const { manifest } = engine.bundle;
  const { scheduler, seed } = terms;
  const { resetFrames } = manifest.reference;
  const latentScale = manifest.latent.scale;
  let inferenceMs = 0;
  let masked: MaskedRegion | undefined;
  let ownReference: EncodedRegion | undefined;
  let previousLatents: Promise<Float32Array> | undefined;

  const submit = async (stage: BatchStage, row: Row): Promise<CallShare> => {
    const share = await member.submit(stage, row);
    inferenceMs += share.inferenceMs;
    return share;
  };
  const predict = createPredictor(engine, terms, submit);
  // The same for every frame: noise that changes from frame to frame is seen as flicker.
  const initialLatents = new Float32Array(engine.latentLength);
  fillGaussianNoise(initialLatents, seed, SHARED_NOISE, 'initial');
  scaleInto(initialLatents, initialLatents, scheduler.initialNoiseScale);
  const headerReference = encode(terms.referencePixels, startDueMs);

  function referenceOf(
    { frameIndex, resetReference, referencePixels }: Conditions,
    dueMs: number,
  ): Promise<Float32Array> {
    if (terms.referenceMode === 'source' && referencePixels !== undefined) {
      if (ownReference?.pixels !== referencePixels) {
        ownReference = { pixels: referencePixels, latents: encode(referencePixels, dueMs) };
      }
      return ownReference.latents;
    }
    const afresh = terms.referenceMode !== 'progressive' || resetReference || frameIndex % resetFrames === 0;
    return afresh ? headerReference : (previousLatents ?? headerReference);
  }

  /** Latents that several frames wait for; a failure is each frame's to report. */
  function encode(pixels: Uint8Array, dueMs: number): Promise<Float32Array> {
    const latents = new Float32Array(engine.latentLength);
    const encoded = submit('encode', {
      dueMs,
      fill: (inputs) => writePlanes(pixels, float32Values(inputs.image)),
      consume: (outputs) => scaleInto(latents, float32Values(outputs.latents), latentScale),
    }).then(() => latents);
    encoded.catch(() => undefined);
    return encoded;
  }

  function maskedRegion(pixels: Uint8Array, dueMs: number): MaskedRegion {
    if (masked?.pixels === pixels) return masked;
    const known = manifest.diffusion.inpaint === 'replace' ? knownCells(pixels, manifest) : undefined;
    return { pixels, latents: encode(pixels, dueMs), known };
  }

  async function condition(
    { featureWindow, visibleLandmarks }: Conditions,
    dueMs: number,
  ): Promise<Float32Array> {
    const context = new Float32Array(engine.contextLength);
    await submit('condition', {
      dueMs,
      fill(inputs) {
        float32Values(inputs.features).set(featureWindow);
        float32Values(inputs.landmarks).set(visibleLandmarks);
      },
      consume: (outputs) => context.set(float32Values(outputs.context)),
    });
    return context;
  }

  /** The denoising loop: from seeded noise to the frame's final latents. Returns the mean batch size. */
  async function denoise(
    latents: Float32Array,
    frameIndex: number,
    dueMs: number,
    region: MaskedRegion,
    parts: readonly [Promise<Float32Array>, Promise<Float32Array>],
  ): Promise<number> {
    latents.set(initialLatents);
    const [maskedLatents, reference, context] = await Promise.all([region.latents, ...parts]);
    const scratch = region.known && new Float32Array(latents.length);
    let batchSizes = 0;
    for (const [stepIndex, timestep] of scheduler.timesteps.entries()) {
      if (region.known !== undefined && scratch !== undefined) {
        fillGaussianNoise(scratch, seed, frameIndex, { stepIndex });
        scheduler.addNoise(maskedLatents, scratch, stepIndex, scratch);
        replaceKnown(latents, scratch, region.known);
      }
      const fill = (inputs: Tensors): void => {
        float32Values(inputs.latents).set(latents);
        float32Values(inputs.masked).set(maskedLatents);
        float32Values(inputs.reference).set(reference);
        writeTimestep(inputs, timestep);
      };
      const advance = (modelOutput: Float32Array): void =>
        scheduler.step(modelOutput, stepIndex, latents, latents);
      batchSizes += await predict({ dueMs, fill, context, advance });
    }
    if (!latents.every(Number.isFinite)) {
      const message = `the denoiser of bundle ${manifest.name} gave latents that are not finite`;
      throw new Fault('internal', 'NON_FINITE_LATENTS', message);
    }
    return batchSizes / scheduler.timesteps.length;
  }

  async function decode(latents: Float32Array, dueMs: number): Promise<Uint8Array> {
    const pixels = new Uint8Array(terms.referencePixels.length);
    await submit('decode', {
      dueMs,
      fill: (inputs) => scaleInto(float32Values(inputs.latents), latents, 1 / latentScale),
      consume: (outputs) => writePixels(float32Values(outputs.image), pixels),
    });
    return pixels;
  }

  return {
    async generate(conditions, dueMs) {
      const { frameIndex } = conditions;
      masked = maskedRegion(conditions.maskedPixels, dueMs);
      const reference = referenceOf(conditions, dueMs);
      const latents = new Float32Array(engine.latentLength);
      const denoised = denoise(latents, frameIndex, dueMs, masked, [reference, condition(conditions, dueMs)]);
      previousLatents = denoised.then(() => latents);
      previousLatents.catch(() => undefined);
      const meanBatchSize = await denoised;
      return { frameIndex, pixels: await decode(latents, dueMs), meanBatchSize };
    },
    inferenceMs: () => inferenceMs,
  };
}

function scaleInto(out: Float32Array, values: Float32Array, scale: number): void {
  if (scale === 1) {
    if (out !== values) out.set(values);
    return;
  }
  for (let at = 0; at < out.length; at++) out[at] = values[at]! * scale;
}

function writeTimestep({ timesteps }: Tensors, timestep: number): void {
  if (timesteps?.dtype !== 'int64') throw new TypeError('the denoiser has no int64 input named timesteps');
  timesteps.data[0] = BigInt(timestep);
}
