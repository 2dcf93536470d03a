/** How far a render is, for people: a bar on a terminal, a line now and then elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface ProgressBar {
  /** @param expectedFrameCount 0 while unknown */
  update(frameCount: number, expectedFrameCount: number): void;
  stop(): void;
}

const LINE_EVERY_MS = 5_000;

export function createProgressBar(stream: NodeJS.WriteStream): ProgressBar {
  const startedAt = performance.now();
  const framesPerSecond = (frameCount: number): string =>
    ((frameCount / Math.max(1, performance.now() - startedAt)) * 1000).toFixed(1);
  if (!stream.isTTY) return createProgressLines(stream, framesPerSecond);
  const bar = new SingleBar(
    {
      stream,
      format: 'rendering {bar} {value}/{total} frames | {fps} fps | {eta_formatted} left',
      hideCursor: true,
      clearOnComplete: false,
      etaBuffer: 100,
    },
    Presets.shades_classic,
  );
  bar.start(0, 0, { fps: '0.0' });
  return {
    update(frameCount, expectedFrameCount) {
      bar.setTotal(Math.max(frameCount, expectedFrameCount));
      bar.update(frameCount, { fps: framesPerSecond(frameCount) });
    },
    stop: () => bar.stop(),
  };
}

function createProgressLines(
  stream: NodeJS.WriteStream,
  framesPerSecond: (count: number) => string,
): ProgressBar {
  let lastAt = Number.NEGATIVE_INFINITY;
  return {
    update(frameCount, expectedFrameCount) {
      const last = frameCount === expectedFrameCount;
      if (!last && performance.now() - lastAt < LINE_EVERY_MS) return;
      lastAt = performance.now();
      const total = expectedFrameCount > 0 ? ` of ${expectedFrameCount}` : '';
      stream.write(`rendering: ${frameCount}${total} frames, ${framesPerSecond(frameCount)} fps\n`);
    },
    stop: () => undefined,
  };
}
