import { describe, expect, it } from 'vitest';
import { Fault } from '#lib/fault/fault.ts';
import type { RgbFrame } from '#lib/media/rgb-frame.ts';
import { createFaceDetector, DEFAULT_DETECTOR } from './detector.ts';
import type { LandmarkGraph } from './face-graphs.ts';
import { type Box, overlap } from './geometry.ts';
import { createLandmarkReader } from './landmarks.ts';
import { type FacePick, type Survey, surveyFaces, trackEdge } from './survey.ts';
import { createPaintedDetector, createPaintedLandmarks, paintFaces } from './testing/painted-faces.ts';

const signal = new AbortController().signal;
const SOURCE = { width: 1200, height: 800 };
const small: Box = { x0: 100, y0: 100, x1: 220, y1: 240 };
const large: Box = { x0: 700, y0: 300, x1: 960, y1: 600 };

/** Frames of a third of the source's size. */
async function* film(frames: readonly (readonly Box[])[]): AsyncGenerator<RgbFrame> {
  for (const [index, faces] of frames.entries()) {
    const third = faces.map(({ x0, y0, x1, y1 }) => ({ x0: x0 / 3, y0: y0 / 3, x1: x1 / 3, y1: y1 / 3 }));
    yield { index, ...paintFaces(400, 267, third) };
    await Promise.resolve();
  }
}

function survey(
  frames: readonly (readonly Box[])[],
  pick: FacePick,
  landmarks: LandmarkGraph = createPaintedLandmarks(),
): Promise<Survey> {
  return surveyFaces(
    film(frames),
    createFaceDetector(createPaintedDetector(), DEFAULT_DETECTOR),
    createLandmarkReader(landmarks, {
      averagedCrops: 1,
      cropShift: 0,
      cropStretch: 0,
      squareScale: 1.5,
      minConfidence: 0.5,
    }),
    {
      source: SOURCE,
      still: false,
      frameRate: { numerator: 25, denominator: 1 },
      pick,
      maxFrames: 13,
    },
    signal,
  );
}

async function reasonOf(work: Promise<unknown>): Promise<[string, string]> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof Fault)) throw new Error('no fault', { cause: error });
  return [error.reason, error.message];
}

describe('surveyFaces', () => {
  it('chooses the largest face, in source pixels', async () => {
    const { frameIndex, box } = await survey([[small, large]], undefined);
    expect(frameIndex).toBe(0);
    expect(overlap(box, large)).toBeGreaterThan(0.95);
  });

  it('chooses the face that holds a point', async () => {
    const { box } = await survey([[small, large]], { x: 150, y: 200 });
    expect(overlap(box, small)).toBeGreaterThan(0.9);
  });

  it('waits for the first frame that shows a face', async () => {
    const { frameIndex } = await survey([[], [], [], [large]], undefined);
    expect(frameIndex).toBe(3);
  });

  it('does not take for a face what the landmarks deny', async () => {
    const real = createPaintedLandmarks();
    let asked = 0;
    const sceptical: LandmarkGraph = {
      inputPx: real.inputPx,
      run: async (images, count, abort) => {
        const output = await real.run(images, count, abort);
        if (asked++ < 2) output.confidence.fill(0.1);
        return output;
      },
    };
    const { box } = await survey([[small, large]], undefined, sceptical);
    expect(overlap(box, small)).toBeGreaterThan(0.9);
  });

  it('refuses a point beside every face: FACE_CHOICE_EMPTY', async () => {
    const [reason, message] = await reasonOf(survey([[], [small, large]], { x: 5, y: 5 }));
    expect(reason).toBe('FACE_CHOICE_EMPTY');
    expect(message).toContain('none of the 2 faces at 0.04 s');
  });

  it('refuses a source without a face: NO_FACE_FOUND, after as many frames as a gap may have', async () => {
    const [reason, message] = await reasonOf(
      survey(
        Array.from({ length: 40 }, () => []),
        undefined,
      ),
    );
    expect(reason).toBe('NO_FACE_FOUND');
    expect(message).toContain('13 frames');
  });
});

describe('trackEdge', () => {
  const hd = { width: 1920, height: 1080 };
  const face = (side: number): Box => ({ x0: 0, y0: 0, x1: side, y1: side });

  it('scales a large face down to what the landmark graph can use', () => {
    // A square of 1.5 * 400 = 600 px becomes 256 px.
    expect(trackEdge(hd, face(400), 1.5, 256, 1920)).toBe(Math.round((1920 * 256) / 600));
  });

  it('keeps a small face at the size it has, within the limit', () => {
    expect(trackEdge(hd, face(100), 1.5, 256, 4096)).toBe(1920);
    expect(trackEdge(hd, face(100), 1.5, 256, 1280)).toBe(1280);
  });

  it('keeps a picture that is small anyway', () => {
    expect(trackEdge({ width: 200, height: 100 }, face(100), 1.5, 256, 1920)).toBe(200);
    expect(trackEdge({ width: 300, height: 300 }, face(300), 1.5, 256, 1920)).toBe(256);
  });
});
