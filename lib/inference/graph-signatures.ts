/** What each graph of a bundle takes and gives (bundles/README.md, "Graphs"), by the rest of its manifest. */
import type { FieldViolation } from '#lib/fault/fault.ts';
import {
  type BundleManifest,
  GRAPH_NAMES,
  type GraphName,
  type GraphShape,
  type GraphTensorSpec,
  LANDMARK_COUNT,
} from './manifest.ts';

/** Side of the square that face_detector reads, in pixels. */
export const DETECTOR_SIZE_PX = 192;

/** Side of the square that face_landmarks reads, in pixels. */
export const LANDMARK_SIZE_PX = 128;

/** "B" is the batch; a number is fixed by the manifest; another name is free but the same wherever it stands. */
type Axis = 'B' | 'K' | 'D' | 'N' | number;

interface TensorSignature {
  readonly dtype: GraphTensorSpec['dtype'];
  readonly axes: readonly Axis[];
}

interface GraphSignature {
  readonly inputs: Readonly<Record<string, TensorSignature>>;
  readonly outputs: Readonly<Record<string, TensorSignature>>;
}

const float = (...axes: readonly Axis[]): TensorSignature => ({ dtype: 'float32', axes: ['B', ...axes] });
const long = (...axes: readonly Axis[]): TensorSignature => ({ dtype: 'int64', axes: ['B', ...axes] });

function graphSignatures(manifest: BundleManifest): Readonly<Record<GraphName, GraphSignature>> {
  const { image, region, latent, audio, landmarks } = manifest;
  const latents = float(
    latent.channels,
    region.height / image.downsampling,
    region.width / image.downsampling,
  );
  const pixels = float(3, region.height, region.width);
  const context = float('K', 'D');
  const windowFrames = audio.window.left + 1 + audio.window.right;
  return {
    audio_features: {
      inputs: { mel: float(audio.contextFrames, audio.bands) },
      outputs: { features: float(audio.features) },
    },
    conditioner: {
      inputs: {
        features: float(windowFrames, audio.features),
        landmarks: float(landmarks.visible.length, 2),
      },
      outputs: { context },
    },
    face_encoder: { inputs: { image: pixels }, outputs: { latents } },
    denoiser: {
      inputs: { latents, masked: latents, reference: latents, timesteps: long(), context },
      outputs: { prediction: latents },
    },
    face_decoder: { inputs: { latents }, outputs: { image: pixels } },
    face_detector: {
      inputs: { image: float(3, DETECTOR_SIZE_PX, DETECTOR_SIZE_PX) },
      outputs: { boxes: float('N', 4), scores: float('N') },
    },
    face_landmarks: {
      inputs: { image: float(3, LANDMARK_SIZE_PX, LANDMARK_SIZE_PX) },
      outputs: { points: float(LANDMARK_COUNT, 2), visibility: float(LANDMARK_COUNT), confidence: float() },
    },
  };
}

/** Where the declared graphs disagree with the manifest's recipes or with each other. */
export function graphSignatureViolations(manifest: BundleManifest): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const signatures = graphSignatures(manifest);
  const bound = new Map<Axis, { readonly size: number; readonly field: string }>();
  for (const name of GRAPH_NAMES) {
    const spec = manifest.graphs[name];
    if (spec === undefined) continue;
    for (const side of ['inputs', 'outputs'] as const) {
      const field = `graphs.${name}.${side}`;
      const expected = signatures[name][side];
      const declared = Object.keys(spec[side]).toSorted().join(', ');
      const wanted = Object.keys(expected).toSorted().join(', ');
      if (declared !== wanted) {
        violations.push({ field, description: `must be ${wanted}, not ${declared || 'none'}` });
        continue;
      }
      for (const [tensor, signature] of Object.entries(expected)) {
        checkTensor(spec[side][tensor]!, signature, `${field}.${tensor}`);
      }
    }
  }
  const { unconditionalContext } = manifest.diffusion.guidanceScale;
  const contextSize = (bound.get('K')?.size ?? 0) * (bound.get('D')?.size ?? 0);
  if (unconditionalContext !== undefined && unconditionalContext.length !== contextSize) {
    const description = `must hold K * D = ${contextSize} values, not ${unconditionalContext.length}`;
    violations.push({ field: 'diffusion.guidanceScale.unconditionalContext', description });
  }
  return violations;

  function checkTensor(declared: GraphTensorSpec, { dtype, axes }: TensorSignature, field: string): void {
    const wanted = `${dtype} [${axes.join(', ')}]`;
    if (declared.dtype !== dtype || declared.shape.length !== axes.length) {
      violations.push({
        field,
        description: `must be ${wanted}, not ${describe(declared.dtype, declared.shape)}`,
      });
      return;
    }
    axes.forEach((axis, index) => {
      const size = declared.shape[index]!;
      const fixed = typeof axis === 'number' || axis === 'B';
      if (fixed ? size === axis : typeof size === 'number') {
        if (!fixed) bind(axis, size as number, field);
        return;
      }
      violations.push({
        field,
        description: `must be ${wanted}, not ${describe(declared.dtype, declared.shape)}`,
      });
    });
  }

  function bind(axis: Axis, size: number, field: string): void {
    const earlier = bound.get(axis);
    if (earlier === undefined) bound.set(axis, { size, field });
    else if (earlier.size !== size) {
      violations.push({
        field,
        description: `has ${axis} = ${size}, but ${earlier.field} has ${earlier.size}`,
      });
    }
  }
}

function describe(dtype: string, shape: GraphShape): string {
  return `${dtype} [${shape.join(', ')}]`;
}
