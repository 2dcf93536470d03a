import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { ReferenceMode } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import type { BundleManifest } from '#lib/inference/manifest.ts';
import { frameRequest, type HeaderFields, headerRequest, type RequestInit } from './testing/conditions.ts';
import { createTinyDenoiser, type DenoiserClient, just, type TinyDenoiser } from './testing/tiny-denoiser.ts';

describe('the denoiser service', () => {
  let denoiser: TinyDenoiser;
  let manifest: BundleManifest;
  let client: DenoiserClient;
  beforeAll(async () => {
    denoiser = await createTinyDenoiser();
    ({ manifest, client } = denoiser);
  });
  afterAll(() => denoiser.close());

  it.each<[string, HeaderFields]>([
    ['STEPS_OUT_OF_RANGE', { inferenceStepCount: 10_000 }],
    ['STEPS_OUT_OF_RANGE', { inferenceStepCount: -1 }],
    ['GUIDANCE_UNSUPPORTED', { guidanceScale: 1.5 }],
    ['GUIDANCE_OUT_OF_RANGE', { guidanceScale: 0.5 }],
    ['GUIDANCE_OUT_OF_RANGE', { guidanceScale: Number.NaN }],
    ['REFERENCE_MODE_UNSUPPORTED', { referenceMode: 7 as ReferenceMode }],
    ['STREAM_CLASS_UNKNOWN', { streamClass: 9 as StreamClass }],
    ['REGION_SIZE_MISMATCH', { referenceRegion: { width: 64, height: 64, data: new Uint8Array(12_288) } }],
    ['REGION_SIZE_MISMATCH', { referenceRegion: { width: 256, height: 256, data: new Uint8Array(5) } }],
  ])('refuses a header with %s', async (reason, header) => {
    await expect(denoiser.solo(1, 0, 1, header)).rejects.toMatchObject({ kind: 'invalid', reason });
  });

  it('names everything that is wrong with a header', async () => {
    const part = {
      case: 'header' as const,
      value: { bundle: 'tiny', inferenceStepCount: 500, guidanceScale: 99 },
    };
    await expect(denoiser.parts(just({ part }))).rejects.toMatchObject({
      reason: 'HEADER_INVALID',
      violations: [
        {
          field: 'header.reference_region',
          description: expect.stringMatching(/is required: .* 256x256 RGB/),
        },
        {
          field: 'header.inference_step_count',
          description: expect.stringContaining('is 500; this bundle takes 1 to 200'),
        },
        { field: 'header.guidance_scale', description: expect.stringContaining('is 99; send 1 (off) to 10') },
      ],
    });
    await expect(denoiser.solo(1, 0, 1, { bundle: 'f16' })).rejects.toMatchObject({
      kind: 'missing',
      reason: 'BUNDLE_UNKNOWN',
    });
  });

  it('refuses what is out of order or not a frame, after the faces before it', async () => {
    const header = headerRequest(manifest, 1);
    const frame = (index: number, changes: object = {}) => {
      const request = frameRequest(manifest, 1, index);
      Object.assign(request.part!.value!, changes);
      return request;
    };
    const refusal = async (...requests: RequestInit[]): Promise<string> => {
      let faceCount = 0;
      try {
        for await (const { part } of client.denoise(just(...requests))) if (part.case === 'face') faceCount++;
      } catch (error) {
        return `${faceCount} ${(error as { reason: string }).reason}`;
      }
      return `${faceCount} accepted`;
    };
    const { featureWindow } = frame(0).part!.value as {
      featureWindow: { shape: bigint[]; data: Uint8Array };
    };
    const broken = new Float32Array(featureWindow.data.length / 4).fill(Number.NaN);
    expect(await refusal()).toBe('0 HEADER_MISSING');
    expect(await refusal(frame(0))).toBe('0 HEADER_MISSING');
    expect(await refusal({})).toBe('0 HEADER_MISSING');
    expect(await refusal(header, frame(0), header)).toBe('1 HEADER_REPEATED');
    expect(await refusal(header, frame(0), {})).toBe('1 REQUEST_EMPTY');
    expect(await refusal(header, frame(0), frame(2))).toBe('1 FRAME_OUT_OF_ORDER');
    expect(await refusal(header, frame(1), frame(1))).toBe('1 FRAME_OUT_OF_ORDER');
    expect(await refusal(header, frame(-1))).toBe('0 FRAME_INDEX_OUT_OF_RANGE');
    expect(await refusal(header, frame(0, { frameIndex: 2n ** 60n }))).toBe('0 FRAME_INDEX_OUT_OF_RANGE');
    expect(await refusal(header, frame(0, { maskedRegion: undefined }))).toBe('0 REGION_MISSING');
    expect(await refusal(header, frame(0, { visibleLandmarks: undefined }))).toBe('0 TENSOR_MISSING');
    expect(await refusal(header, frame(0), frame(1, { featureWindow: undefined }))).toBe('1 TENSOR_MISSING');
    const notFinite = { ...featureWindow, data: new Uint8Array(broken.buffer) };
    expect(await refusal(header, frame(0, { featureWindow: notFinite }))).toBe('0 TENSOR_NOT_FINITE');
    const presentationTime = { seconds: -1n, nanos: 0 };
    expect(await refusal(header, frame(0, { presentationTime }))).toBe('0 PRESENTATION_TIME_OUT_OF_RANGE');
  });
});
