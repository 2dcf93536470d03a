/** CompositorService: what the compositor offers over RPC. */
import { createReadStream } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CompositorService,
  LiveRequest,
  RenderRequest,
  RenderResponseSchema,
} from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { StreamClass } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import type { LiveHeader, LiveInput } from '#gen/talkmesh/live/v1/live_pb.ts';
import { Container } from '#gen/talkmesh/recipe/v1/recipe_pb.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { ServiceImpl } from '#lib/rpc/service-types.ts';
import { offerBundle } from './bundle-offer.ts';
import {
  type ClipRenderDeps,
  type ClipRenderEvent,
  type ClipRenderSettings,
  runClip,
} from './clip-render.ts';
import { type LiveMessage, type LiveSettings, liveVoiceFormat, renderLive } from './live.ts';
import { openFace } from './plan.ts';
import { provenance } from './provenance.ts';
import { checkSegmentFrameCount } from './segments.ts';
import { createTally } from './tally.ts';

export interface CompositorConfig extends ClipRenderSettings, LiveSettings {}

export const DEFAULT_COMPOSITOR_CONFIG = {
  framesInFlight: 8,
  maxEdgePx: 1920,
  segmentFrameCount: 100,
  stageRetryCount: 5,
  stageRetryDelayMs: 200,
  maxPendingVoiceMs: 120_000,
  fragmentMs: 200,
} as const;

const MEDIA_CHUNK_BYTES = 256 * 1024;

/** @throws Fault precondition SEGMENT_FRAMES_INVALID */
export function createCompositorService(
  config: CompositorConfig,
  deps: ClipRenderDeps,
): ServiceImpl<typeof CompositorService> {
  checkSegmentFrameCount(
    config.segmentFrameCount,
    deps.catalog.list().map(({ manifest }) => manifest),
  );
  return {
    render: (request, { signal }) => render(request, config, deps, signal),
    live: (requests, { signal }) => live(requests, config, deps, signal),
    listBundles: async () => ({
      bundles: deps.catalog
        .list()
        .map((bundle) => offerBundle(bundle, bundle === deps.catalog.defaultBundle)),
    }),
  };
}

type RenderMessage = MessageInitShape<typeof RenderResponseSchema>;

async function* render(
  request: RenderRequest,
  config: CompositorConfig,
  deps: ClipRenderDeps,
  signal: AbortSignal,
): AsyncGenerator<RenderMessage> {
  for await (const event of runClip(request, undefined, config, deps, signal)) {
    if (event.kind === 'finished') yield* finishedMessages(event);
    else yield progressMessage(event);
  }
}

type Finished = Extract<ClipRenderEvent, { kind: 'finished' }>;

async function* finishedMessages({ path, summary }: Finished): AsyncGenerator<RenderMessage> {
  const file = createReadStream(path, { highWaterMark: MEDIA_CHUNK_BYTES });
  for await (const chunk of file) yield { part: { case: 'media', value: chunk as Uint8Array } };
  yield { part: { case: 'summary', value: summary } };
}

function progressMessage(event: Exclude<ClipRenderEvent, Finished>): RenderMessage {
  const expectedFrameCount = BigInt(event.expectedFrameCount);
  if (event.kind === 'progress') {
    const value = { frameCount: BigInt(event.frameCount), expectedFrameCount };
    return { part: { case: 'progress', value } };
  }
  const { width, height, frameRate } = event;
  return { part: { case: 'started', value: { width, height, frameRate, expectedFrameCount } } };
}

async function* live(
  requests: AsyncIterable<LiveRequest>,
  config: CompositorConfig,
  deps: ClipRenderDeps,
  signal: AbortSignal,
): AsyncGenerator<{ output: LiveMessage }> {
  const incoming = requests[Symbol.asyncIterator]();
  const header = await readHeader(incoming);
  const container = header.output?.container ?? Container.UNSPECIFIED;
  if (container !== Container.UNSPECIFIED && container !== Container.FRAGMENTED_MP4) {
    throw invalidField(
      'CONTAINER_UNSUPPORTED',
      'header.output.container',
      'a live stream is fragmented MP4; leave the container unset',
    );
  }
  const voiceFormat = liveVoiceFormat(header.voiceFormat);
  const { bundle, source, plan } = await openFace(header, StreamClass.LIVE, config, deps, signal);
  const tally = createTally();
  try {
    const livePlan = { ...plan, voiceFormat };
    for await (const output of renderLive(livePlan, inputs(incoming), deps.stages, config, tally, signal)) {
      yield { output };
    }
    const facts = { bundle, recipe: plan.recipe, tally, source, talkmeshVersion: config.talkmeshVersion };
    const summary = { frameCount: BigInt(tally.frameCount), provenance: provenance(facts) };
    yield { output: { output: { case: 'summary', value: summary } } };
  } finally {
    await source.close();
  }
}

async function readHeader(incoming: AsyncIterator<LiveRequest>): Promise<LiveHeader> {
  const first = await incoming.next();
  if (first.done !== true && first.value.part.case === 'header') return first.value.part.value;
  throw invalidField('HEADER_REQUIRED', 'header', 'the first message of a live stream is its header');
}

async function* inputs(incoming: AsyncIterator<LiveRequest>): AsyncGenerator<LiveInput> {
  for (;;) {
    const { done, value } = await incoming.next();
    if (done === true) return;
    if (value.part.case !== 'input') {
      throw invalidField('INPUT_EXPECTED', 'part', 'after the header only input follows');
    }
    yield value.part.value;
  }
}
