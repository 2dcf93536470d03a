/** What a render counts on its way; the caller owns it and may read it at any time. */
export interface RenderTally {
  /** Frames generated and blended, those made again after an interruption included. */
  frameCount: number;
  /** Frames whose face was interpolated, as the source shows none there. */
  interpolatedCount: number;
  /** Time inside ONNX graphs that the stages have reported; each reports at the end of its stream. */
  inferenceMs: number;
  /** The denoiser's execution provider; empty until its stream has begun. */
  provider: string;
  /** Speech that the audio service needs beyond a frame; 0 until its stream has begun. */
  lookAheadMs: number;
}

export function createTally(): RenderTally {
  return { frameCount: 0, interpolatedCount: 0, inferenceMs: 0, provider: '', lookAheadMs: 0 };
}
