/** LandmarkService: the RPC surface. What is done is in track.ts and detect.ts. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LandmarkService, TrackResponseSchema } from '#gen/talkmesh/landmark/v1/landmark_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import type { AssetSource } from '#lib/media/assets.ts';
import { openFrames } from '#lib/media/frames.ts';
import { planPictures } from '#lib/media/picture-decoder.ts';
import type { RgbFrame } from '#lib/media/rgb-frame.ts';
import { toDuration } from '#lib/rpc/duration.ts';
import type { ServiceImpl } from '#lib/rpc/service-types.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { openBundleGraphs } from './bundle-graphs.ts';
import type { LandmarkConfig } from './config.ts';
import { detectFaces } from './detect.ts';
import {
  checkPictureSize,
  requestedBundle,
  requestedFace,
  requestedFrameLimit,
  requestedFrameRate,
} from './request.ts';
import { trackFace } from './track.ts';
import { createFrameDescriber, pointMessages } from './tracked-frame.ts';

export interface LandmarkDeps {
  readonly catalog: Catalog;
  readonly runtime: InferenceRuntime;
  readonly assets: AssetSource;
  readonly metrics?: Metrics;
}

type TrackResponseInit = MessageInitShape<typeof TrackResponseSchema>;

const STAGE = { stage: 'landmark' } as const;

/** The service, without ports: `lib/rpc` binds it. */
export function createLandmarkService(
  config: LandmarkConfig,
  { catalog, runtime, assets, metrics }: LandmarkDeps,
): ServiceImpl<typeof LandmarkService> {
  return {
    async *track(request, { signal }): AsyncGenerator<TrackResponseInit> {
      const bundle = requestedBundle(catalog, request.bundle);
      const { manifest } = bundle;
      const frameRate = requestedFrameRate(request, manifest.fps, config.maxFramesPerSecond);
      const frameLimit = requestedFrameLimit(request);
      const pick = requestedFace(request);
      const graphs = await openBundleGraphs(runtime, bundle);
      const asset = await assets.open(request.assetId, signal);
      metrics?.add('talkmesh_active_streams', { ...STAGE, class: 'batch' }, 1);
      let pictures: AsyncGenerator<RgbFrame> | undefined;
      try {
        const { path } = asset;
        const media = { signal, limits: config.media, tools: config.tools };
        const { info } = await planPictures(path, { ...media, frameRate });
        checkPictureSize(info, config.minEdgePx, 'source');
        const { width, height } = info;
        const still = info.kind === 'photograph';
        yield { part: { case: 'started', value: { width, height, frameRate, still } } };

        // Crops come from a second, full-size reading in step with the output: the first is scaled down, and ahead.
        if (request.includeCrop) pictures = openFrames(path, { ...media, info, frameRate });
        const describe = createFrameDescriber(manifest, request.includeMasks);
        const job = { path, info, frameRate, pick, frameLimit, squareScale: manifest.landmarks.squareScale };
        let frameCount = 0n;
        let interpolatedCount = 0n;
        let startedMs = performance.now();
        for await (const observation of trackFace(job, graphs, config, signal)) {
          const picture = pictures && (await nextPicture(pictures));
          const value = describe(observation, picture);
          frameCount++;
          if (observation.interpolated) interpolatedCount++;
          metrics?.count('talkmesh_frames_total', STAGE);
          metrics?.observe('talkmesh_stage_seconds', STAGE, (performance.now() - startedMs) / 1000);
          yield { part: { case: 'frame', value } };
          startedMs = performance.now();
        }
        const inferenceTime = toDuration(graphs.inferenceMs());
        yield { part: { case: 'summary', value: { frameCount, interpolatedCount, inferenceTime } } };
      } finally {
        metrics?.add('talkmesh_active_streams', { ...STAGE, class: 'batch' }, -1);
        await pictures?.return(undefined);
        await asset.close();
      }
    },

    async detect(request, { signal }) {
      const bundle = requestedBundle(catalog, request.bundle);
      const graphs = await openBundleGraphs(runtime, bundle);
      const { squareScale } = bundle.manifest.landmarks;
      const { width, height, faces } = await detectFaces(request.image, graphs, squareScale, config, signal);
      return {
        width,
        height,
        faces: faces.map(({ box, points, visibility, confidence }) => ({
          topLeft: { x: box.x0, y: box.y0 },
          bottomRight: { x: box.x1, y: box.y1 },
          confidence,
          landmarks: pointMessages(points),
          visibility: [...visibility],
        })),
      };
    },
  };
}

async function nextPicture(pictures: AsyncGenerator<RgbFrame>): Promise<RgbFrame> {
  const { value, done } = await pictures.next();
  if (done)
    throw new Fault('internal', 'SOURCE_READ_TWICE', 'the source gave fewer frames when it was read again');
  return value;
}
