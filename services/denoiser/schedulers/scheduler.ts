/** A scheduler turns the denoiser's predictions into less noisy latents, independent of the model. */
export interface Scheduler {
  /** What the denoiser is told at each step, descending; the length is the number of steps that are run. */
  readonly timesteps: readonly number[];
  /** Initial latents are standard normal noise times this. */
  readonly initialNoiseScale: number;
  /**
   * One step: from the latents at `timesteps[stepIndex]` and the model's output for them to the latents of the
   * next timestep. `out` may be `latents`.
   */
  step(modelOutput: Float32Array, stepIndex: number, latents: Float32Array, out: Float32Array): void;
  /**
   * Clean latents noised to `timesteps[stepIndex]`: sqrt(a) * original + sqrt(1 - a) * noise, a being the
   * cumulative alpha there. `out` may be either.
   */
  addNoise(original: Float32Array, noise: Float32Array, stepIndex: number, out: Float32Array): void;
}
