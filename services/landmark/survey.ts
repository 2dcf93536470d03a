/** The first look at a source: which face is to be followed, and at what size. */
import type { PixelPoint } from '#lib/media/polygon.ts';
import type { FrameRate, RgbFrame } from '#lib/media/rgb-frame.ts';
import { confirmFaces } from './confirm.ts';
import type { FaceDetector } from './detector.ts';
import { faceChoiceEmpty, noFaceFound } from './faults.ts';
import { type Box, boxCentre, boxHolds, squareAround } from './geometry.ts';
import type { LandmarkReader } from './landmarks.ts';

/** Undefined means the largest face. */
export type FacePick = PixelPoint | undefined;

export interface Survey {
  /** The first frame that shows a face. */
  readonly frameIndex: number;
  /** The chosen face there, in source pixels. */
  readonly box: Box;
}

export interface SurveyTerms {
  /** Size of the source as shown. */
  readonly source: { readonly width: number; readonly height: number };
  readonly still: boolean;
  readonly frameRate: FrameRate;
  /** Source pixels. */
  readonly pick: FacePick;
  /** Frames in which a face may first appear. */
  readonly maxFrames: number;
}

/**
 * Looks for the chosen face in the first frames.  *
 * @throws Fault NO_FACE_FOUND, FACE_CHOICE_EMPTY
 */
export async function surveyFaces(
  frames: AsyncIterable<RgbFrame>,
  detector: FaceDetector,
  reader: LandmarkReader,
  terms: SurveyTerms,
  signal: AbortSignal,
): Promise<Survey> {
  let looked = 0;
  for await (const frame of frames) {
    const scale = { x: terms.source.width / frame.width, y: terms.source.height / frame.height };
    const candidates = await detector.find(frame, 'until-found', signal);
    const faces = await confirmFaces(frame, candidates, reader, signal);
    const boxes = faces.map(({ box }) => scaleBox(box, scale.x, scale.y));
    if (boxes.length > 0) {
      const box = terms.pick === undefined ? boxes[0] : nearestHolding(boxes, terms.pick);
      if (box === undefined) throw faceChoiceEmpty(boxes.length, frame.index, terms.frameRate);
      return { frameIndex: frame.index, box };
    }
    looked++;
    if (looked >= terms.maxFrames) break;
  }
  throw noFaceFound(terms.still, looked, terms.frameRate);
}

/**
 * Longest edge at which the source is decoded for tracking, so that the landmark square of the chosen face comes
 * out near `squarePx`: the decoder scales better and cheaper than a sampler in this process.
 */
export function trackEdge(
  source: { readonly width: number; readonly height: number },
  box: Box,
  squareScale: number,
  squarePx: number,
  maxEdgePx: number,
): number {
  const edge = Math.max(source.width, source.height);
  const wanted = Math.round((edge * squarePx) / squareAround(box, squareScale).sidePx);
  return Math.min(edge, maxEdgePx, Math.max(wanted, Math.min(edge, squarePx)));
}

/** A box in the pixels of a picture that is `x` times as wide and `y` times as high. */
export function scaleBox(box: Box, x: number, y: number): Box {
  return { x0: box.x0 * x, y0: box.y0 * y, x1: box.x1 * x, y1: box.y1 * y };
}

function nearestHolding(boxes: readonly Box[], point: PixelPoint): Box | undefined {
  const distance = (box: Box): number => {
    const centre = boxCentre(box);
    return Math.hypot(centre.x - point.x, centre.y - point.y);
  };
  return boxes.filter((box) => boxHolds(box, point)).sort((a, b) => distance(a) - distance(b))[0];
}
