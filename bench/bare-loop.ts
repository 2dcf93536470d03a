/** The bare loop: the graphs that a clip needs, run one after the other with nothing in between. */
import type { LoadedGraphs } from './graphs.ts';

/** Runs what `frameCount` frames of a tracked video take, and gives frames a second. */
export async function bareFramesPerSecond(graphs: LoadedGraphs, frameCount: number): Promise<number> {
  const { perFrame, stepCount, denoiser } = graphs;
  const startedAt = performance.now();
  for (let i = 0; i < frameCount; i++) {
    for (const graph of perFrame) await graph();
    for (let step = 0; step < stepCount; step++) await denoiser();
  }
  return (frameCount / (performance.now() - startedAt)) * 1000;
}
