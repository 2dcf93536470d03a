/** A feature window and the frame it belongs to. */
export interface IndexedWindow {
  readonly frameIndex: number;
  /** [left + 1 + right, features], row-major; row k holds frame frameIndex - left + k, zeros outside the voice. */
  readonly features: Float32Array;
}

export interface FeatureWindows {
  /** The features of the next frame; gives the windows that they complete. */
  push(features: Float32Array): IndexedWindow[];
  /** The windows of the last frames, zero-padded. */
  flush(): IndexedWindow[];
}

/** Stacks the features of each frame with those of its neighbours in time. */
export function createFeatureWindows(left: number, right: number, width: number): FeatureWindows {
  // rows.at(-1) is frame `received - 1`; no more rows are kept than one window reads.
  const rows: Float32Array[] = [];
  let received = 0;
  let next = 0;
  const windowOf = (frameIndex: number): IndexedWindow => {
    const features = new Float32Array((left + 1 + right) * width);
    const oldest = received - rows.length;
    for (let k = 0; k <= left + right; k++) {
      const row = rows[frameIndex - left + k - oldest];
      if (row !== undefined) features.set(row, k * width);
    }
    return { frameIndex, features };
  };
  const windowsUpTo = (end: number): IndexedWindow[] => {
    const windows: IndexedWindow[] = [];
    for (; next < end; next++) windows.push(windowOf(next));
    return windows;
  };
  return {
    push: (features) => {
      rows.push(features);
      if (rows.length > left + 1 + right) rows.shift();
      received += 1;
      return windowsUpTo(received - right);
    },
    flush: () => windowsUpTo(received),
  };
}
