/** The bare loop: the graphs that a clip needs, run one after the other with nothing in between. */
import type { LoadedGraphs } from './graphs.ts';

/**
 * Runs what `frameCount` frames of a tracked video take, and gives frames a second.
 *
 * @param loopCount loops side by side, as many as the runtime has workers
 */
export async function bareFramesPerSecond(
  graphs: LoadedGraphs,
  frameCount: number,
  loopCount: number,
): Promise<number> {
  let left = frameCount;
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      for (const graph of graphs.perFrame) await graph();
      for (let step = 0; step < graphs.stepCount; step++) await graphs.denoiser();
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: loopCount }, loop));
  return (frameCount / (performance.now() - startedAt)) * 1000;
}
