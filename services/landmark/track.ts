/** One source, from its first frame to its last: survey, tracker, gaps, smoothing. Memory is flat. */
import { prefetch } from '#lib/flow/prefetch.ts';
import { openFrames } from '#lib/media/frames.ts';
import type { MediaInfo } from '#lib/media/probe.ts';
import type { FrameRate, RgbFrame } from '#lib/media/rgb-frame.ts';
import type { LandmarkConfig } from './config.ts';
import { createFaceDetector } from './detector.ts';
import type { DetectorGraph, LandmarkGraph } from './face-graphs.ts';
import { createGapFiller } from './gaps.ts';
import { createLandmarkReader } from './landmarks.ts';
import type { FaceMiss, FaceObservation } from './observation.ts';
import { createLandmarkSmoother } from './smoothing.ts';
import { type FacePick, scaleBox, surveyFaces, trackEdge } from './survey.ts';
import type { LandmarkPoints } from './topology.ts';
import { createFaceTracker } from './tracker.ts';
import { unusableBecause } from './usability.ts';

export interface TrackJob {
  /** Local file. */
  readonly path: string;
  readonly info: MediaInfo;
  readonly frameRate: FrameRate;
  readonly pick: FacePick;
  /** Infinity for the whole source. */
  readonly frameLimit: number;
  /** From the bundle: the landmark square in sides of the face box. */
  readonly squareScale: number;
}

export interface TrackGraphs {
  readonly detector: DetectorGraph;
  readonly landmarks: LandmarkGraph;
}

/**
 * The face in every frame, in order, in source pixels. Frames come out at most maxGapFrames plus the smoothing's
 * look-ahead behind the decoder.
 *
 * @throws Fault of the media, of `surveyFaces` and of `createGapFiller`
 */
export async function* trackFace(
  job: TrackJob,
  graphs: TrackGraphs,
  config: LandmarkConfig,
  signal: AbortSignal,
): AsyncGenerator<FaceObservation> {
  const { info, frameRate } = job;
  const still = info.kind === 'photograph';
  const maxGapFrames = still ? 0 : config.maxGapFrames;
  const gaps = createGapFiller({ maxGapFrames }, frameRate, config.face, still);
  const smoother = createLandmarkSmoother(config.smoothing);
  let count = 0;
  for await (const result of observe(job, graphs, config, maxGapFrames + 1, signal)) {
    for (const settled of gaps.push(result)) {
      for (const observation of smoother.push(settled)) {
        yield observation;
        // Frames beyond the limit are read for the smoothing, so that a limit changes no frame before it.
        if (++count >= job.frameLimit) return;
      }
    }
  }
  const rest = [...gaps.finish().flatMap((settled) => [...smoother.push(settled)]), ...smoother.finish()];
  yield* rest.slice(0, job.frameLimit - count);
}

/** What each frame shows by itself. */
async function* observe(
  job: TrackJob,
  graphs: TrackGraphs,
  config: LandmarkConfig,
  surveyFrames: number,
  signal: AbortSignal,
): AsyncGenerator<FaceObservation | FaceMiss> {
  const { path, info, frameRate, pick, squareScale } = job;
  const detector = createFaceDetector(graphs.detector, config.detector);
  const reader = createLandmarkReader(graphs.landmarks, { ...config.reader, squareScale });
  const open = (maxEdgePx: number): AsyncGenerator<RgbFrame> =>
    openFrames(path, { info, frameRate, maxEdgePx, signal, limits: config.media, tools: config.tools });

  const survey = await surveyFaces(
    open(config.surveyEdgePx),
    detector,
    reader,
    {
      source: info,
      still: info.kind === 'photograph',
      frameRate,
      pick,
      maxFrames: surveyFrames,
    },
    signal,
  );
  const squarePx = graphs.landmarks.inputPx * config.squareOversampling;
  const edgePx = trackEdge(info, survey.box, squareScale, squarePx, config.maxTrackEdgePx);
  let next: ((frame: RgbFrame) => Promise<FaceObservation | FaceMiss>) | undefined;

  for await (const frame of prefetch(open(edgePx), config.readAheadFrames)) {
    if (frame.index < survey.frameIndex) {
      yield { frameIndex: frame.index, miss: 'absent' };
    } else {
      next ??= follow(frame);
      yield await next(frame);
    }
  }

  function follow({ width, height }: RgbFrame) {
    const [x, y] = [info.width / width, info.height / height];
    const seed = scaleBox(survey.box, 1 / x, 1 / y);
    const tracker = createFaceTracker(detector, reader, squareScale, config.tracker, seed);
    return async (frame: RgbFrame): Promise<FaceObservation | FaceMiss> => {
      const frameIndex = frame.index;
      const reading = await tracker.next(frame, signal);
      if (reading === undefined) return { frameIndex, miss: 'absent' };
      const points = scalePoints(reading.points, x, y);
      const miss = unusableBecause(points, info, config.face);
      if (miss !== undefined) return { frameIndex, miss };
      return { frameIndex, points, confidence: reading.confidence, interpolated: false };
    };
  }
}

/** Points in the pixels of a picture that is `x` times as wide and `y` times as high. */
export function scalePoints(points: LandmarkPoints, x: number, y: number): LandmarkPoints {
  return points.map((value, i) => value * (i % 2 === 0 ? x : y));
}
