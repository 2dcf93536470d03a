/** An observation as the stream's message: everything that the bundle's recipes derive from the landmarks. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TrackedFrameSchema } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { warpAffineRgb } from '#lib/media/warp.ts';
import { tensorToProto } from '#lib/tensor/proto.ts';
import { visibleLandmarks } from './conditions.ts';
import { cropTransform } from './crop.ts';
import { imageMask, latentMask, type MaskPixels, maskPolygon } from './mask.ts';
import type { FaceObservation } from './observation.ts';
import type { LandmarkPoints } from './topology.ts';

export type TrackedFrameInit = MessageInitShape<typeof TrackedFrameSchema>;

/**
 * @param includeMasks whether to draw the masks; those of a polygon that does not move are drawn once
 * @returns a function of an observation and, when the crop is wanted, the frame at full size
 */
export function createFrameDescriber(
  manifest: BundleManifest,
  includeMasks: boolean,
): (observation: FaceObservation, frame?: RgbPixels) => TrackedFrameInit {
  const { crop, mask, image } = manifest;
  let drawn:
    | { readonly outline: string; readonly imageMask: MaskPixels; readonly latentMask: MaskPixels }
    | undefined;

  return ({ frameIndex, points, confidence, interpolated }, frame) => {
    const transform = cropTransform(points, crop);
    const polygon = maskPolygon(points, transform, mask);
    if (includeMasks) {
      const outline = JSON.stringify(polygon);
      if (drawn?.outline !== outline) {
        const pixels = imageMask(polygon, manifest);
        drawn = { outline, imageMask: pixels, latentMask: latentMask(pixels, manifest) };
      }
    }
    return {
      frameIndex: BigInt(frameIndex),
      landmarks: pointMessages(points),
      visibleLandmarks: tensorToProto(visibleLandmarks(points, transform, manifest)),
      transform,
      maskPolygon: polygon,
      confidence,
      interpolated,
      crop: frame && warpAffineRgb(frame, transform, { width: image.sizePx, height: image.sizePx }),
      imageMask: drawn?.imageMask,
      latentMask: drawn?.latentMask,
    };
  };
}

/** Landmarks as messages, in iBUG order. */
export function pointMessages(points: LandmarkPoints): { x: number; y: number }[] {
  return Array.from({ length: points.length / 2 }, (_, i) => ({ x: points[2 * i]!, y: points[2 * i + 1]! }));
}
