import { normalQuantile } from './normal-quantile.ts';
import { philox4x32 } from './philox.ts';

const WORDS_PER_BLOCK = 4;

/** Which noise of a frame is meant: its initial latents, or what is added to known latents before a step. */
export type NoiseDraw = 'initial' | { readonly stepIndex: number };

/**
 * Fills `out` with standard normal noise, a pure function of seed, frame, draw and position: the same on every
 * runtime and machine, whatever else is generated beside it.
 *
 * Word w of block b is Philox 4x32-10 with the key (low and high half of the seed) and the counter (b, draw, low
 * and high half of the frame index), draw being 0 for initial latents and 1 + stepIndex else; value 4b + w is the
 * normal quantile of (word + 0.5) / 2^32, rounded to float32.
 *
 * @param seed any 64 bits
 * @param frameIndex an integer from 0 to 2^53 - 1
 */
export function fillGaussianNoise(
  out: Float32Array,
  seed: bigint,
  frameIndex: number,
  draw: NoiseDraw,
): void {
  const key = Uint32Array.of(Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n)));
  const purpose = draw === 'initial' ? 0 : 1 + draw.stepIndex;
  const counter = Uint32Array.of(0, purpose, frameIndex % 2 ** 32, Math.floor(frameIndex / 2 ** 32));
  const words = new Uint32Array(WORDS_PER_BLOCK);
  for (let at = 0; at < out.length; at += WORDS_PER_BLOCK) {
    counter[0] = at / WORDS_PER_BLOCK;
    philox4x32(counter, key, words);
    const count = Math.min(WORDS_PER_BLOCK, out.length - at);
    for (let word = 0; word < count; word++) out[at + word] = normalQuantile(words[word]!);
  }
}
