/**
 * The one chain of filters that turns any decoded picture into RGB, so that every reader of a source sees the
 * same bytes. The stages: first picture at 0 s, the output rate, the wanted size, 8-bit limited-range 4:2:0 (what
 * nearly all sources are and the output will be), then RGB. Scaling and conversion are bit-exact on any CPU.
 */
import type { ColourMatrix, MediaInfo } from './probe.ts';
import type { FrameRate } from './rgb-frame.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** The size of a picture whose longer edge is at most `maxEdgePx`; never enlarged, at least 1x1. */
export function fitInside(size: PictureSize, maxEdgePx: number | undefined): PictureSize {
  const scale = maxEdgePx === undefined ? 1 : Math.min(1, maxEdgePx / Math.max(size.width, size.height));
  return {
    width: Math.max(1, Math.round(size.width * scale)),
    height: Math.max(1, Math.round(size.height * scale)),
  };
}

const EXACT = 'accurate_rnd+full_chroma_int+bitexact';

/** From the decoder to 4:2:0 pictures of `size` on the output clock, from `startFrame` on. */
export function toPlanar(
  info: MediaInfo,
  frameRate: FrameRate,
  size: PictureSize,
  startFrame: number,
): string {
  const stages = [
    'setpts=PTS-STARTPTS',
    `fps=fps=${frameRate.numerator}/${frameRate.denominator}:round=near`,
    ...(startFrame > 0 ? [`trim=start_frame=${startFrame}`] : []),
    ...(info.highDynamicRange ? TONE_MAP : []),
    `scale=${size.width}:${size.height}:flags=bicubic+${EXACT}`,
    'format=yuv420p',
  ];
  return stages.join(',');
}

/** From 4:2:0 pictures to RGB. */
export function toRgb(info: MediaInfo): string {
  const matrix = matrixName(info.highDynamicRange ? 'bt709' : info.colourMatrix);
  return `scale=in_color_matrix=${matrix}:in_range=tv:flags=bicubic+${EXACT},format=rgb24`;
}

/** Hable's curve at 100 cd/m2, the usual way from PQ and HLG to BT.709. */
const TONE_MAP: readonly string[] = [
  'zscale=transfer=linear:npl=100',
  'format=gbrpf32le',
  'zscale=primaries=bt709',
  'tonemap=tonemap=hable:desat=0',
  'zscale=transfer=bt709:matrix=bt709:range=tv',
];

/** RGB sources become 4:2:0 by the scaler's default, BT.601, and go back the same way. */
function matrixName(matrix: ColourMatrix): string {
  return matrix === 'rgb' ? 'bt601' : matrix;
}
