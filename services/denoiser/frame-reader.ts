import type { FrameConditions } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import { tensorFromProto } from '#lib/tensor/proto.ts';
import { regionPixels } from './terms.ts';

/** The conditions of a frame, checked, with what was not set taken from the frame before. */
export interface Conditions {
  readonly frameIndex: number;
  /** [window, features] */
  readonly featureWindow: Float32Array;
  /** [visible, 2] in the bundle's unit */
  readonly visibleLandmarks: Float32Array;
  /** RGB bytes of the masked region; the same array as for the frame before when it has not changed. */
  readonly maskedPixels: Uint8Array;
  /** RGB bytes of the frame's own reference, for source mode; the same array when it has not changed. */
  readonly referencePixels: Uint8Array | undefined;
  readonly resetReference: boolean;
  /** Milliseconds since the stream began, when the caller gave a presentation time. */
  readonly presentationMs: number | undefined;
}

/** Reads the frames of one stream, in order. */
export interface FrameReader {
  /**
   * @throws Fault invalid FRAME_INDEX_OUT_OF_RANGE, FRAME_OUT_OF_ORDER, TENSOR_MISSING, TENSOR_DTYPE_MISMATCH,
   *   TENSOR_SHAPE_MISMATCH, TENSOR_LENGTH_MISMATCH, TENSOR_NOT_FINITE, REGION_MISSING, REGION_SIZE_MISMATCH,
   *   PRESENTATION_TIME_OUT_OF_RANGE
   */
  read(frame: FrameConditions): Conditions;
}

export function createFrameReader(manifest: BundleManifest): FrameReader {
  const { audio, landmarks } = manifest;
  const windowShape = [audio.window.left + 1 + audio.window.right, audio.features];
  const landmarkShape = [landmarks.visible.length, 2];
  let previous: Conditions | undefined;

  const values = (
    tensor: FrameConditions['featureWindow'],
    field: string,
    shape: readonly number[],
  ): Float32Array => {
    const { data } = tensorFromProto(tensor, field, { dtype: 'float32', shape });
    if (!data.every(Number.isFinite)) throw invalidField('TENSOR_NOT_FINITE', field, 'holds NaN or infinity');
    return data;
  };

  return {
    read(frame) {
      const frameIndex = readFrameIndex(frame.frameIndex, previous?.frameIndex);
      const repeatsLandmarks = frame.visibleLandmarks === undefined && previous !== undefined;
      const repeatsRegion = frame.maskedRegion === undefined && previous !== undefined;
      const conditions: Conditions = {
        frameIndex,
        featureWindow: values(frame.featureWindow, 'frame.feature_window', windowShape),
        visibleLandmarks: repeatsLandmarks
          ? previous!.visibleLandmarks
          : values(frame.visibleLandmarks, 'frame.visible_landmarks', landmarkShape),
        maskedPixels: repeatsRegion
          ? previous!.maskedPixels
          : regionPixels(frame.maskedRegion, 'frame.masked_region', manifest),
        referencePixels:
          frame.referenceRegion === undefined
            ? previous?.referencePixels
            : regionPixels(frame.referenceRegion, 'frame.reference_region', manifest),
        resetReference: frame.resetReference,
        presentationMs: readPresentation(frame),
      };
      previous = conditions;
      return conditions;
    },
  };
}

function readFrameIndex(index: bigint, previous: number | undefined): number {
  const field = 'frame.frame_index';
  if (index < 0n || index > BigInt(Number.MAX_SAFE_INTEGER)) {
    const description = `is ${index}; send 0 to ${Number.MAX_SAFE_INTEGER}`;
    throw invalidField('FRAME_INDEX_OUT_OF_RANGE', field, description);
  }
  if (previous !== undefined && index !== BigInt(previous) + 1n) {
    throw invalidField('FRAME_OUT_OF_ORDER', field, `is ${index} after ${previous}; frames ascend by one`);
  }
  return Number(index);
}

function readPresentation({ presentationTime }: FrameConditions): number | undefined {
  if (presentationTime === undefined) return undefined;
  const milliseconds = durationMs(presentationTime);
  if (milliseconds >= 0) return milliseconds;
  throw invalidField(
    'PRESENTATION_TIME_OUT_OF_RANGE',
    'frame.presentation_time',
    "is negative; it counts from the stream's beginning",
  );
}
