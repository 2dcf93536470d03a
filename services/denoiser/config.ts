/** Every limit and default of the denoiser. */
export interface DenoiserConfig {
  /** Streams served at once; more are refused. */
  readonly maxStreamCount: number;
  /** What a refused caller is told to wait. */
  readonly retryAfterMs: number;
  /** Frames of one stream between their arrival and their face; the caller waits when so many are under way. */
  readonly maxFramesInFlight: number;
  /**
   * Most rows of one ONNX call. Not set: 2 on the CPU, where more gain nothing and only keep others waiting, and 16
   * on other providers.
   */
  readonly maxBatchSize?: number | undefined;
  /** How long rows wait for company although a call could begin. */
  readonly maxBatchWaitMs: number;
  /** ONNX calls that wait behind those that run, so that no inference worker waits for the next. */
  readonly maxCallsAhead: number;
  /** How long a bulk frame lets live frames go first. */
  readonly bulkPatienceMs: number;
  /** Largest guidance scale taken. */
  readonly maxGuidanceScale: number;
}

export const DEFAULT_DENOISER_CONFIG: DenoiserConfig = {
  maxStreamCount: 16,
  retryAfterMs: 2000,
  maxFramesInFlight: 4,
  maxBatchWaitMs: 0,
  maxCallsAhead: 1,
  bulkPatienceMs: 2000,
  maxGuidanceScale: 10,
};
