/**
 * Whether somebody speaks, from log-mel frames: how far the bands rise above the noise of each, which is followed
 * quickly downwards and slowly upwards (after the minimum statistics of Martin 2001). Causal, without a model.
 */
export interface VoiceActivityConfig {
  /** Log power below which a band is silent in any room, nepers. */
  readonly quietLevel: number;
  /** The part of a new frame in the level of a band, which steadies it, 0 to 1. */
  readonly levelGain: number;
  /** How far a band must rise above its noise to count, nepers. */
  readonly marginNepers: number;
  /** The rise beyond the margin that counts in full, nepers. */
  readonly rangeNepers: number;
  /** The mean over bands below which nobody speaks, and from which somebody surely does, 0 to 1. */
  readonly silentBelow: number;
  readonly speechFrom: number;
  /** How fast the noise may rise, nepers a second. */
  readonly noiseRiseNepers: number;
  /** The part of a fall that the noise follows in one frame, 0 to 1. */
  readonly noiseFall: number;
}

export const DEFAULT_VOICE_ACTIVITY: VoiceActivityConfig = {
  quietLevel: -7,
  levelGain: 0.4,
  marginNepers: 1,
  rangeNepers: 2,
  silentBelow: 0.15,
  speechFrom: 0.4,
  noiseRiseNepers: 1.5,
  noiseFall: 0.2,
};

/**
 * Gives each log-mel frame a likelihood of speech, 0 to 1.
 *
 * @param framesPerSecond rate of the log-mel frames
 */
export function createVoiceActivity(
  config: VoiceActivityConfig,
  bands: number,
  framesPerSecond: number,
): (frame: Float64Array) => number {
  const level = new Float64Array(bands).fill(config.quietLevel);
  const noise = new Float64Array(bands).fill(config.quietLevel);
  const rise = config.noiseRiseNepers / framesPerSecond;
  return (frame) => {
    let sum = 0;
    for (let band = 0; band < bands; band++) {
      level[band]! += (frame[band]! - level[band]!) * config.levelGain;
      const above = level[band]! - noise[band]!;
      sum += clamp((above - config.marginNepers) / config.rangeNepers);
      const followed = noise[band]! + (above < 0 ? above * config.noiseFall : Math.min(above, rise));
      noise[band] = Math.max(followed, config.quietLevel);
    }
    return clamp((sum / bands - config.silentBelow) / (config.speechFrom - config.silentBelow));
  };
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
