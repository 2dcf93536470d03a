/** The landmarks that the conditioner sees: those of the bundle's recipe, in its order and its unit. */
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { type Affine, applyAffine } from '#lib/media/affine.ts';
import { float32Tensor, type TensorValue } from '#lib/tensor/tensor.ts';
import type { LandmarkPoints } from './topology.ts';

/** float32 [visible, 2]: crop pixels, or fractions of the crop's side. */
export function visibleLandmarks(
  points: LandmarkPoints,
  toCrop: Affine,
  { landmarks, image }: Pick<BundleManifest, 'landmarks' | 'image'>,
): TensorValue<'float32'> {
  const unitPx = landmarks.unit === 'crop-fraction' ? image.sizePx : 1;
  const values = new Float32Array(2 * landmarks.visible.length);
  for (const [i, index] of landmarks.visible.entries()) {
    const [x, y] = applyAffine(toCrop, [points[2 * index]!, points[2 * index + 1]!]);
    values[2 * i] = x / unitPx;
    values[2 * i + 1] = y / unitPx;
  }
  return float32Tensor([landmarks.visible.length, 2], values);
}
