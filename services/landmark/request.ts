/** Requests, checked: what a caller may ask of this service, and the faults when it asks for something else. */
import type { TrackRequest } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { FrameRate } from '#lib/media/rgb-frame.ts';
import type { FacePick } from './survey.ts';

/** @throws Fault invalid BUNDLE_REQUIRED, missing BUNDLE_UNKNOWN */
export function requestedBundle(catalog: Catalog, name: string): Bundle {
  if (name === '')
    throw invalidField('BUNDLE_REQUIRED', 'bundle', 'is required; ListBundles names the bundles');
  return catalog.get(name);
}

/** @throws Fault invalid FRAME_RATE_OUT_OF_RANGE */
export function requestedFrameRate(
  request: TrackRequest,
  ofBundle: FrameRate,
  maxFramesPerSecond: number,
): FrameRate {
  const { numerator = 0, denominator = 0 } = request.frameRate ?? {};
  if (numerator === 0) return ofBundle;
  const rate = { numerator, denominator: denominator === 0 ? 1 : denominator };
  const perSecond = rate.numerator / rate.denominator;
  if (rate.numerator < 1 || rate.denominator < 1 || perSecond < 1 || perSecond > maxFramesPerSecond) {
    throw invalidField(
      'FRAME_RATE_OUT_OF_RANGE',
      'frameRate',
      `${numerator}/${rate.denominator} is outside 1 to ${maxFramesPerSecond} frames a second; leave it out for the bundle's rate`,
    );
  }
  return rate;
}

/** @throws Fault invalid FACE_CHOICE_INVALID */
export function requestedFace({ faceChoice }: TrackRequest): FacePick {
  if (faceChoice?.choice.case !== 'point') return undefined;
  const { x, y } = faceChoice.choice.value;
  if (!Number.isFinite(x) || !Number.isFinite(y)) {
    throw invalidField(
      'FACE_CHOICE_INVALID',
      'faceChoice.point',
      'x and y must be numbers, in source pixels',
    );
  }
  return { x, y };
}

/** Frames to send at most. @throws Fault invalid FRAME_LIMIT_NEGATIVE */
export function requestedFrameLimit({ frameLimit }: TrackRequest): number {
  if (frameLimit < 0n) {
    throw invalidField('FRAME_LIMIT_NEGATIVE', 'frameLimit', `is ${frameLimit}; send 0 for the whole source`);
  }
  return frameLimit === 0n ? Number.POSITIVE_INFINITY : Number(frameLimit);
}

/** @throws Fault invalid PICTURE_TOO_SMALL */
export function checkPictureSize(
  picture: { readonly width: number; readonly height: number },
  minEdgePx: number,
  field: string,
): void {
  if (Math.min(picture.width, picture.height) >= minEdgePx) return;
  throw invalidField(
    'PICTURE_TOO_SMALL',
    field,
    `the picture has ${picture.width}x${picture.height} pixels; each edge must have at least ${minEdgePx}; use a larger picture`,
  );
}
