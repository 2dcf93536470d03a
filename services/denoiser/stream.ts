import type { DenoiseRequest } from '#gen/talkmesh/denoiser/v1/denoiser_service_pb.ts';
import { abortFault, Fault, invalidField } from '#lib/fault/fault.ts';
import { raceAbort } from '#lib/flow/abortable.ts';
import { channel } from '#lib/flow/channel.ts';
import { withSpan } from '#lib/telemetry/span.ts';
import type { Clock } from './clock.ts';
import type { DenoiserConfig } from './config.ts';
import { bulkDueMs, liveDueMs } from './due-time.ts';
import type { Engine } from './engine.ts';
import { createFaceGenerator, type Face } from './face-generator.ts';
import { type Conditions, createFrameReader } from './frame-reader.ts';
import type { StreamTerms } from './terms.ts';

/** A face, and how long its conditions took to become it. */
export interface TimedFace extends Face {
  readonly latencyMs: number;
}

export interface StreamDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  /** When the header came, in milliseconds of the clock; presentation times count from there. */
  readonly startMs: number;
  readonly signal: AbortSignal;
}

/** One stream: takes frames, gives faces in their order. */
export interface DenoiseStream {
  /** The faces of all the frames; frames are taken only while fewer than `maxFramesInFlight` are under way. */
  faces(requests: AsyncIterator<DenoiseRequest>): AsyncGenerator<TimedFace, void, undefined>;
  inferenceMs(): number;
}

export function createDenoiseStream(
  config: DenoiserConfig,
  terms: StreamTerms,
  deps: StreamDeps,
): DenoiseStream {
  const { engine, clock, startMs, signal } = deps;
  const member = engine.batcher.join();
  const generator = createFaceGenerator(engine, terms, member, startMs);
  const reader = createFrameReader(engine.bundle.manifest);

  const dueMs = (arrivedMs: number, presentationMs: number | undefined): number =>
    terms.live ? liveDueMs(arrivedMs, startMs, presentationMs) : bulkDueMs(arrivedMs, config.bulkPatienceMs);

  const generate = (conditions: Conditions): Promise<TimedFace> =>
    withSpan('denoiser.face', { 'talkmesh.frame_index': conditions.frameIndex }, async (span) => {
      const arrivedMs = clock.now();
      const face = await generator.generate(conditions, dueMs(arrivedMs, conditions.presentationMs));
      span.set({ 'talkmesh.mean_batch_size': face.meanBatchSize });
      return { ...face, latencyMs: clock.now() - arrivedMs };
    });

  return {
    async *faces(requests) {
      const underWay = channel<Promise<TimedFace>>(config.maxFramesInFlight);
      const room = createRoom(config.maxFramesInFlight);
      let over = false;
      void takeFrames();
      const leave = (): void => member.leave(abortFault(signal));
      signal.addEventListener('abort', leave, { once: true });
      const iterator = underWay[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await raceAbort(iterator.next(), signal);
          if (next.done) return;
          yield await next.value;
          room.free();
        }
      } finally {
        signal.removeEventListener('abort', leave);
        member.leave(new Fault('cancelled', 'STREAM_ENDED', 'the stream ended'));
        await iterator.return?.();
        over = true;
        room.free();
      }

      async function takeFrames(): Promise<void> {
        try {
          for (;;) {
            await room.wait();
            if (over) return;
            const request = await requests.next();
            if (request.done) return underWay.close();
            const face = generate(reader.read(frameOf(request.value)));
            // The consumer meets a failure in its order; until then it is nobody's.
            face.catch(() => undefined);
            if (!(await underWay.push(face))) return;
          }
        } catch (error) {
          underWay.fail(error);
        }
      }
    },
    inferenceMs: () => generator.inferenceMs(),
  };
}

function frameOf({ part }: DenoiseRequest) {
  if (part.case === 'frame') return part.value;
  if (part.case === 'header')
    throw invalidField('HEADER_REPEATED', 'header', 'comes first and once; send frames after it');
  throw invalidField('REQUEST_EMPTY', 'part', 'is not set; send a frame');
}

/** Places for frames; waiting is for one side, freeing for the other. */
function createRoom(size: number): { wait(): Promise<void>; free(): void } {
  let free = size;
  let wake: (() => void) | undefined;
  return {
    async wait() {
      if (free === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      free--;
    },
    free() {
      free++;
      wake?.();
      wake = undefined;
    },
  };
}
