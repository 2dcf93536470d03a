/** Requests of made-up streams: each number below is a function of the seed and the frame, so that streams differ. */
import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DenoiseHeader,
  DenoiseRequestSchema,
  DenoiseResponse,
} from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { tensorToProto } from '#lib/tensor/proto.ts';
import { float32Tensor } from '#lib/tensor/tensor.ts';

export type RequestInit = MessageInitShape<typeof DenoiseRequestSchema>;
/** The fields of a header; those of a picture are enough for its region. */
export type HeaderFields = Partial<Omit<DenoiseHeader, '$typeName' | '$unknown' | 'referenceRegion'>> & {
  readonly referenceRegion?: Picture;
};

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

function hash(value: number): number {
  let mixed = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function picture({ region }: BundleManifest, seed: number): Picture {
  const { width, height } = region;
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = hash(seed * 7919 + (at >> 6)) % 256;
  return { width, height, data };
}

function values(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => hash(seed * 104_729 + at) / 2 ** 32);
}

/** A reference face. */
export const referenceRegion = picture;

export function headerRequest(
  manifest: BundleManifest,
  seed: number,
  header: HeaderFields = {},
): RequestInit {
  const value = {
    bundle: manifest.name,
    referenceRegion: picture(manifest, seed),
    seed: BigInt(seed),
    ...header,
  };
  return { part: { case: 'header', value } };
}

export interface FrameChoice {
  /** Leave the landmarks and the masked region out, as for a photograph. */
  readonly still?: boolean;
  readonly resetReference?: boolean;
  /** Seed of the frame's own reference. */
  readonly referenceSeed?: number;
  readonly presentationMs?: number;
}

export function frameRequest(
  manifest: BundleManifest,
  seed: number,
  frameIndex: number,
  { still = false, resetReference = false, referenceSeed, presentationMs }: FrameChoice = {},
): RequestInit {
  const { audio, landmarks } = manifest;
  const windowFrames = audio.window.left + 1 + audio.window.right;
  const frameSeed = seed * 1000 + frameIndex;
  const changing = {
    visibleLandmarks: tensorToProto(
      float32Tensor([landmarks.visible.length, 2], values(landmarks.visible.length * 2, frameSeed + 1)),
    ),
    maskedRegion: picture(manifest, frameSeed + 2),
  };
  return {
    part: {
      case: 'frame',
      value: {
        frameIndex: BigInt(frameIndex),
        featureWindow: tensorToProto(
          float32Tensor([windowFrames, audio.features], values(windowFrames * audio.features, frameSeed)),
        ),
        ...(still ? {} : changing),
        resetReference,
        ...(referenceSeed === undefined ? {} : { referenceRegion: picture(manifest, referenceSeed) }),
        ...(presentationMs === undefined
          ? {}
          : { presentationTime: { seconds: 0n, nanos: Math.round(presentationMs * 1e6) } }),
      },
    },
  };
}

/** The header and the frames `first` to `end` - 1. */
export async function* streamRequests(
  manifest: BundleManifest,
  seed: number,
  first: number,
  end: number,
  header: HeaderFields = {},
): AsyncGenerator<RequestInit> {
  yield headerRequest(manifest, seed, header);
  for (let frameIndex = first; frameIndex < end; frameIndex++) yield frameRequest(manifest, seed, frameIndex);
}

/** SHA-256 of each face of a whole stream, by frame index, after checking that it began and ended as it must. */
export async function collectFaces(responses: AsyncIterable<DenoiseResponse>): Promise<Map<number, string>> {
  const faces = new Map<number, string>();
  let last = '';
  for await (const { part } of responses) {
    if (last === '' && part.case !== 'started') throw new Error(`the stream began with ${part.case}`);
    if (part.case === 'face') faces.set(Number(part.value.frameIndex), digest(part.value.region!.data));
    if (part.case === 'summary' && Number(part.value.faceCount) !== faces.size) {
      throw new Error(`the summary counts ${part.value.faceCount} faces, ${faces.size} came`);
    }
    last = part.case ?? 'nothing';
  }
  if (last !== 'summary') throw new Error(`the stream ended with ${last}`);
  return faces;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
