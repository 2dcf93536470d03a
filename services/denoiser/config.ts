/** Every limit and default of the denoiser. */
export interface DenoiserConfig {
  /** Streams served at once; more are refused. */
  readonly maxStreamCount: number;
  /** What a refused caller is told to wait. */
  readonly retryAfterMs: number;
  /** Frames of one stream between their arrival and their face; the caller waits when so many are under way. */
  readonly maxFramesInFlight: number;
  /** Most rows of one ONNX call. */
  readonly maxBatchSize: number;
  /** How long rows wait for company although a call could begin. */
  readonly maxBatchWaitMs: number;
  /** ONNX calls under way at once, so that the next is ready when one ends. */
  readonly maxCallsInFlight: number;
  /** How long a bulk frame lets live frames go first. */
  readonly bulkPatienceMs: number;
  /** Largest guidance scale taken. */
  readonly maxGuidanceScale: number;
}

export const DEFAULT_DENOISER_CONFIG: DenoiserConfig = {
  maxStreamCount: 16,
  retryAfterMs: 2000,
  maxFramesInFlight: 4,
  maxBatchSize: 8,
  maxBatchWaitMs: 0,
  maxCallsInFlight: 2,
  bulkPatienceMs: 2000,
  maxGuidanceScale: 10,
};
