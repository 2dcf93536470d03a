/** The manifest of a model bundle (`bundle.json`), as bundles/README.md specifies it. */

/** The format version that this code reads. */
export const FORMAT_VERSION = 1;

/** Points of the iBUG-68 topology. */
export const LANDMARK_COUNT = 68;

export const GRAPH_NAMES = [
  'audio_features',
  'conditioner',
  'face_encoder',
  'denoiser',
  'face_decoder',
  'face_detector',
  'face_landmarks',
] as const;

export type GraphName = (typeof GRAPH_NAMES)[number];

export interface BundleManifest {
  readonly formatVersion: typeof FORMAT_VERSION;
  /** Lower-case letters, digits and hyphens; unique within a catalog. */
  readonly name: string;
  readonly version: string;
  readonly method: 'difftalk';
  readonly image: ImageRecipe;
  /** The rectangle of the face crop that is encoded, denoised and decoded, in crop pixels. */
  readonly region: RegionRecipe;
  readonly latent: LatentRecipe;
  readonly diffusion: DiffusionRecipe;
  readonly reference: ReferenceRecipe;
  /** Frames a second, as a fraction. */
  readonly fps: { readonly numerator: number; readonly denominator: number };
  readonly audio: AudioRecipe;
  readonly landmarks: LandmarkRecipe;
  readonly crop: CropRecipe;
  readonly mask: MaskRecipe;
  readonly graphs: Readonly<Partial<Record<GraphName, GraphSpec>>>;
  readonly licence: string;
  readonly provenance: ProvenanceRecord;
  /** Measured figures, by name. */
  readonly quality: Readonly<Record<string, unknown>>;
  readonly policy: PolicyRecipe;
}

export interface ImageRecipe {
  /** Side of the square face crop in pixels. */
  readonly sizePx: number;
  /** Pixels a latent cell, along each axis. */
  readonly downsampling: number;
}

export interface RegionRecipe {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface LatentRecipe {
  readonly channels: number;
  /** Latents are the encoder's output times this; the decoder takes them divided by it. */
  readonly scale: number;
}

export interface DiffusionRecipe {
  /** Betas are the squares of linspace(sqrt(betaStart), sqrt(betaEnd), trainTimesteps). */
  readonly betaSchedule: 'scaled-linear';
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly trainTimesteps: number;
  /** What the denoiser predicts: the noise, the clean latents, or the velocity (Salimans & Ho 2022). */
  readonly predictionType: 'epsilon' | 'sample' | 'v-prediction';
  /** `leading-plus-one` is what the released DiffTalk code does, its refused step counts included. */
  readonly timestepSpacing: 'trailing' | 'leading-plus-one';
  /** The cumulative alpha that follows the last step: 1, or that of timestep 0. */
  readonly finalAlphaCumprod: 'one' | 'first';
  readonly steps: { readonly default: number; readonly min: number; readonly max: number };
  readonly guidanceScale: GuidanceRecipe;
  /** `replace` re-noises the known latents into x before each step, as the released DiffTalk code does. */
  readonly inpaint: 'none' | 'replace';
}

export interface GuidanceRecipe {
  /** 1 is off. */
  readonly default: number;
  /** The context that stands for no condition, [K, D] row-major. Without it only a scale of 1 is possible. */
  readonly unconditionalContext?: readonly number[] | undefined;
}

export type ReferenceModeName = 'fixed' | 'progressive' | 'source';

export interface ReferenceRecipe {
  readonly modes: readonly ReferenceModeName[];
  readonly default: ReferenceModeName;
  /** In progressive mode the reference starts afresh at each frame index that this divides. */
  readonly resetFrames: number;
}

export interface AudioRecipe {
  readonly recipe: 'log-mel';
  readonly sampleRateHz: number;
  readonly fftSize: number;
  /** Samples of the analysis window. */
  readonly windowSize: number;
  /** Samples between log-mel frames. */
  readonly hopSize: number;
  readonly windowFunction: 'hann-periodic';
  readonly bands: number;
  readonly minHz: number;
  readonly maxHz: number;
  readonly melScale: 'htk';
  readonly melNorm: 'none';
  /** Smallest band energy before the logarithm. */
  readonly logFloor: number;
  readonly normalisation: RunningMeanNormalisation;
  /** Log-mel frames that audio_features reads for one video frame, centred on the frame's middle. */
  readonly contextFrames: number;
  /** Features of one video frame. */
  readonly features: number;
  /** The feature window of frame i is frames i - left to i + right, zero-padded at the edges. */
  readonly window: { readonly left: number; readonly right: number };
}

/**
 * Causal, so that live speech gives the windows of the whole file, bit for bit: m_0 = prior;
 * m_n = m_{n-1} + (x_n - m_{n-1}) / min(n + priorFrames, maxFrames); y_n = (x_n - m_n) / scale.
 */
export interface RunningMeanNormalisation {
  readonly kind: 'running-mean';
  /** One value a band. */
  readonly prior: readonly number[];
  readonly priorFrames: number;
  readonly maxFrames: number;
  /** One value a band. */
  readonly scale: readonly number[];
  /** Frames whose mean over bands is not above this, in nepers, leave the mean as it is. Absent: every frame moves it. */
  readonly updateAbove?: number | undefined;
}

export interface LandmarkRecipe {
  readonly topology: 'ibug-68';
  /** The points that the conditioner sees, in this order. */
  readonly visible: readonly number[];
  /** Crop pixels divided by image.sizePx; or crop pixels, as in the original DiffTalk code. */
  readonly unit: 'crop-fraction' | 'crop-pixels';
  /** face_landmarks reads the square of this many times the longer side of the face box. */
  readonly squareScale: number;
}

export interface CropRecipe {
  /** Landmarks whose least-squares similarity transform onto `template` is the crop. */
  readonly anchors: readonly number[];
  /** Crop pixels, one pair an anchor. */
  readonly template: readonly (readonly [number, number])[];
}

/** A vertex of the mask, in crop pixels: fixed, or a visible landmark plus an offset. */
export type MaskVertex =
  | { readonly x: number; readonly y: number }
  | { readonly landmark: number; readonly dx: number; readonly dy: number };

export interface MaskRecipe {
  /** Inside is generated. */
  readonly polygon: readonly MaskVertex[];
  /** Width of the blend in crop pixels, inside the polygon. */
  readonly featherPx: number;
  /** Value of masked pixels in the encoder's input, in [-1, 1]. */
  readonly fill: number;
}

/** "B" is the free batch dimension; every other one is fixed. */
export type GraphShape = readonly ('B' | number)[];

export interface GraphTensorSpec {
  readonly dtype: 'float32' | 'int64';
  readonly shape: GraphShape;
}

export interface GraphSpec {
  /** File name inside the bundle. */
  readonly file: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** Version of the default ONNX operator set. */
  readonly opset: number;
  readonly precision: 'fp32' | 'fp16' | 'int8';
  readonly inputs: Readonly<Record<string, GraphTensorSpec>>;
  readonly outputs: Readonly<Record<string, GraphTensorSpec>>;
}

export interface ProvenanceRecord {
  readonly trainedOn: string;
  /** Training time. */
  readonly seconds: number;
  readonly device: string;
  readonly [fact: string]: unknown;
}

export interface PolicyRecipe {
  /** Whether the weights demand a visible mark on every output. */
  readonly visibleMark: boolean;
  /** Whether a source needs a consent record. */
  readonly consent: 'required' | 'none';
}
