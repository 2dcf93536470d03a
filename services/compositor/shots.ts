/** The source of a render, frame by frame: the picture, where its face is, and what the denoiser may know of it. */
import type { LandmarkService, TrackedFrame } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import type { Tensor } from '#gen/talkmesh/media/v1/media_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import { prefetch } from '#lib/flow/prefetch.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { type Affine, composeAffine, scaling, translation } from '#lib/media/affine.ts';
import type { FfmpegTools } from '#lib/media/media-input.ts';
import type { RgbPixels } from '#lib/media/rgb-frame.ts';
import { openSourceFrames } from '#lib/media/source-frames.ts';
import { warpAffineRgb } from '#lib/media/warp.ts';
import type { ResolvedRecipe } from '#lib/recipe/resolve-recipe.ts';
import { durationMs } from '#lib/rpc/duration.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';
import { createRegionMasks, maskRegion, type RegionMask } from './blend.ts';
import type { RenderTally } from './tally.ts';

/** One frame of the source. A photograph gives the same shot, the same object, for every frame. */
export interface Shot {
  readonly sourceIndex: number;
  /** The source frame at output size; read only. */
  readonly frame: RgbPixels;
  /** Frame pixels to region pixels. */
  readonly toRegion: Affine;
  /** The bundle's region, cut from the frame. */
  readonly originalRegion: RgbPixels;
  /** The same with the masked pixels at the bundle's fill value. */
  readonly maskedRegion: RgbPixels;
  readonly mask: RegionMask;
  /** float32 [visible, 2] in the bundle's unit. */
  readonly visibleLandmarks: Tensor;
  /** True when the source shows no face here. */
  readonly interpolated: boolean;
}

export interface ShotsPlan {
  readonly manifest: BundleManifest;
  readonly recipe: ResolvedRecipe;
  readonly sourceAssetId: string;
  /** The source as a local file. */
  readonly sourcePath: string;
  /** Longest edge of the output; larger sources are scaled down. */
  readonly maxEdgePx: number;
  /** Frames that will be taken, if known: a source that is long enough needs no disk. */
  readonly framesWanted: number | undefined;
  readonly tempFolder: string;
  readonly tools: FfmpegTools;
}

const TRACKED_AHEAD = 16;

/** The part of a tracked frame that is kept: a source that plays forth and back needs it again. */
interface Geometry {
  readonly toCrop: Affine;
  readonly polygon: readonly { readonly x: number; readonly y: number }[];
  readonly visibleLandmarks: Tensor;
  readonly interpolated: boolean;
}

/**
 * Yields shots without end: a source shorter than the voice plays forth and back. Geometry is measured once for
 * each source frame, about a kilobyte, and kept; pictures are not.
 */
export async function* openShots(
  plan: ShotsPlan,
  landmark: ServiceClient<typeof LandmarkService>,
  tally: RenderTally,
  signal: AbortSignal,
): AsyncGenerator<Shot> {
  const { manifest } = plan;
  const frameRate = plan.recipe.generatedFrameRate;
  const track = openTrack(plan, landmark, tally, signal);
  const masks = createRegionMasks(manifest.region, manifest.mask.featherPx);
  const fillByte = Math.round((manifest.mask.fill + 1) * 127.5);
  const known: Geometry[] = [];
  let last: Shot | undefined;
  try {
    const frames = openSourceFrames(plan.sourcePath, {
      frameRate,
      playback: 'forth-and-back',
      maxEdgePx: plan.maxEdgePx,
      framesWanted: plan.framesWanted,
      tempFolder: plan.tempFolder,
      tools: plan.tools,
      signal,
    });
    for await (const { sourceIndex, ...frame } of frames) {
      if (last !== undefined && last.sourceIndex === sourceIndex) {
        yield last;
        continue;
      }
      while (known.length <= sourceIndex) known.push(await track.next(frame.width));
      const { toCrop, polygon, visibleLandmarks, interpolated } = known[sourceIndex]!;
      const toRegion = composeAffine(translation(-manifest.region.x, -manifest.region.y), toCrop);
      const originalRegion = warpAffineRgb(frame, toRegion, manifest.region);
      const mask = masks(polygon);
      const maskedRegion = maskRegion(originalRegion, mask.mask, fillByte);
      last = {
        sourceIndex,
        frame,
        toRegion,
        originalRegion,
        maskedRegion,
        mask,
        visibleLandmarks,
        interpolated,
      };
      yield last;
    }
  } finally {
    track.close();
  }
}

/** LandmarkService's stream as geometry in pixels of the frames at hand. */
function openTrack(
  plan: ShotsPlan,
  landmark: ServiceClient<typeof LandmarkService>,
  tally: RenderTally,
  signal: AbortSignal,
) {
  const request = {
    bundle: plan.manifest.name,
    assetId: plan.sourceAssetId,
    frameRate: plan.recipe.generatedFrameRate,
    faceChoice: plan.recipe.faceChoice,
  };
  const responses = prefetch(landmark.track(request, { signal }), TRACKED_AHEAD);
  let sourceWidth = 0;

  async function next(frameWidth: number): Promise<Geometry> {
    for await (const { part } of { [Symbol.asyncIterator]: () => ({ next: () => responses.next() }) }) {
      if (part.case === 'started') sourceWidth = part.value.width;
      if (part.case === 'summary') tally.inferenceMs += durationMs(part.value.inferenceTime);
      if (part.case === 'frame') return geometry(part.value, sourceWidth / frameWidth);
    }
    throw new Fault(
      'internal',
      'TRACK_TOO_SHORT',
      'the landmark service read fewer frames of the source than the compositor',
    );
  }

  return {
    next,
    /** Stops the stream; frames that nobody needs are not tracked. */
    close: () => void responses.return?.(),
  };
}

function geometry(tracked: TrackedFrame, sourcePixelsPerFramePixel: number): Geometry {
  const { transform, visibleLandmarks, maskPolygon, interpolated } = tracked;
  if (transform === undefined || visibleLandmarks === undefined) {
    throw new Fault('internal', 'TRACK_INCOMPLETE', 'the landmark service sent a frame without its geometry');
  }
  return {
    toCrop: composeAffine(transform, scaling(sourcePixelsPerFramePixel)),
    polygon: maskPolygon.map(({ x, y }) => ({ x, y })),
    visibleLandmarks,
    interpolated,
  };
}
