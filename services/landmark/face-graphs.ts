/** The two graphs of this service as functions, so that what follows is independent of how they are run. */

/** face_detector on a batch of letterboxed images. */
export interface DetectorGraph {
  /** Side of the square input in pixels. */
  readonly inputPx: number;
  /** @param images float32 [count, 3, inputPx, inputPx] in [-1, 1] */
  run(images: Float32Array, count: number, signal: AbortSignal): Promise<DetectorOutput>;
}

export interface DetectorOutput {
  /** float32 [count, boxCount, 4]: x0, y0, x1, y1 in input pixels. */
  readonly boxes: Float32Array;
  /** float32 [count, boxCount] in [0, 1]. */
  readonly scores: Float32Array;
}

/** face_landmarks on a batch of squares around faces. */
export interface LandmarkGraph {
  readonly inputPx: number;
  /** @param images float32 [count, 3, inputPx, inputPx] in [-1, 1] */
  run(images: Float32Array, count: number, signal: AbortSignal): Promise<LandmarkOutput>;
}

export interface LandmarkOutput {
  /** float32 [count, 68, 2]: fractions of the square. */
  readonly points: Float32Array;
  /** float32 [count, 68] in [0, 1]. */
  readonly visibility: Float32Array;
  /** float32 [count] in [0, 1]. */
  readonly confidence: Float32Array;
}
