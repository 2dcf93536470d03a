import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DenoiseHeader,
  DenoiseRequest,
  DenoiseResponseSchema,
  DenoiserService,
} from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { Fault, invalidField, toFault } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import { release } from '#lib/flow/release.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { InferenceRuntime } from '#lib/inference/runtime.ts';
import { referenceModeOf } from '#lib/recipe/reference-mode.ts';
import { toDuration } from '#lib/rpc/duration.ts';
import type { CallContext, ServiceImpl } from '#lib/rpc/service-types.ts';
import { countReject } from '#lib/telemetry/count-reject.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import { type Clock, systemClock } from './clock.ts';
import type { DenoiserConfig } from './config.ts';
import { createEngines } from './engine.ts';
import { createDenoiseStream, type TimedFace } from './stream.ts';
import { readTerms } from './terms.ts';

export interface DenoiserDeps {
  readonly catalog: Catalog;
  readonly runtime: InferenceRuntime;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
}

type DenoiseResponseInit = MessageInitShape<typeof DenoiseResponseSchema>;

const STAGE = { stage: 'denoiser' } as const;

/**
 * Conditions to face pixels. Streams of the same bundle share ONNX calls, step by step (batcher.ts); each stream's
 * faces are the same whoever shares them.
 *
 * Refuses with saturated STREAMS_EXHAUSTED and a retry delay when `maxStreamCount` streams are open.
 */
export function createDenoiserService(
  config: DenoiserConfig,
  { catalog, runtime, clock = systemClock, metrics }: DenoiserDeps,
): ServiceImpl<typeof DenoiserService> {
  const engines = createEngines(config, runtime, clock, metrics);
  let streamCount = 0;

  async function* denoise(
    requests: AsyncIterator<DenoiseRequest>,
    { signal }: CallContext,
  ): AsyncGenerator<DenoiseResponseInit> {
    const header = headerOf(await raceAbort(requests.next(), signal));
    const startMs = clock.now();
    const bundle = catalog.get(header.bundle);
    const terms = readTerms(header, bundle.manifest, config.maxGuidanceScale);
    const engine = await raceAbort(engines.get(bundle), signal);
    const stream = createDenoiseStream(config, terms, { engine, clock, startMs, signal });
    const labels = { ...STAGE, class: terms.live ? 'live' : 'batch' } as const;
    metrics?.add('talkmesh_active_streams', labels, 1);
    try {
      yield {
        part: {
          case: 'started',
          value: {
            inferenceStepCount: terms.scheduler.timesteps.length,
            guidanceScale: terms.guidanceScale,
            referenceMode: referenceModeOf(terms.referenceMode),
            provider: runtime.provider,
          },
        },
      };
      const { width, height } = bundle.manifest.region;
      let faceCount = 0n;
      for await (const face of stream.faces(requests)) {
        metrics?.count('talkmesh_frames_total', STAGE);
        metrics?.observe('talkmesh_stage_seconds', STAGE, face.latencyMs / 1000);
        faceCount++;
        yield { part: { case: 'face', value: faceMessage(face, width, height) } };
      }
      yield {
        part: { case: 'summary', value: { faceCount, inferenceTime: toDuration(stream.inferenceMs()) } },
      };
    } finally {
      metrics?.add('talkmesh_active_streams', labels, -1);
    }
  }

  return {
    async *denoise(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      try {
        if (streamCount >= config.maxStreamCount) throw exhausted(config);
        streamCount++;
        try {
          yield* denoise(iterator, context);
        } finally {
          streamCount--;
        }
      } catch (error) {
        const fault = toFault(error);
        if (metrics !== undefined && (fault.kind === 'saturated' || fault.kind === 'invalid')) {
          countReject(metrics, fault);
        }
        throw fault;
      } finally {
        void release(iterator, 'the end of a denoise stream');
      }
    },
  };
}

function headerOf(first: IteratorResult<DenoiseRequest>): DenoiseHeader {
  if (first.done) throw invalidField('HEADER_MISSING', 'header', 'is required; the stream was empty');
  const { part } = first.value;
  if (part.case === 'header') return part.value;
  throw invalidField(
    'HEADER_MISSING',
    'header',
    `is required first; the first request holds ${part.case ?? 'nothing'}`,
  );
}

function faceMessage(
  { frameIndex, pixels, latencyMs, meanBatchSize }: TimedFace,
  width: number,
  height: number,
) {
  return {
    frameIndex: BigInt(frameIndex),
    region: { width, height, data: pixels },
    latency: toDuration(latencyMs),
    meanBatchSize,
  };
}

function exhausted({ maxStreamCount, retryAfterMs }: DenoiserConfig): Fault {
  const message = `this denoiser serves ${maxStreamCount} streams at once and all are taken; try again in ${retryAfterMs} ms`;
  const metadata = { limit: String(maxStreamCount) };
  return new Fault('saturated', 'STREAMS_EXHAUSTED', message, { retryAfterMs, metadata });
}
