/** The compositor of a mesh: its service, and its worker on the queue of renders. */
import type { CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import type { RenderHandler } from '#lib/bus/render-attempt.ts';
import { runRenderWorker } from '#lib/bus/render-worker.ts';
import { toFault } from '#lib/fault/fault.ts';
import type { Catalog } from '#lib/inference/catalog.ts';
import type { ServiceImpl } from '#lib/rpc/service-types.ts';
import type { Logger } from '#lib/telemetry/logger.ts';
import type { Metrics } from '#lib/telemetry/metrics.ts';
import type { RenderStages } from '#services/compositor/render.ts';
import { createRenderHandler } from '#services/compositor/render-handler.ts';
import { createCompositorService } from '#services/compositor/service.ts';
import { compositorConfigOf } from './compositor-config.ts';
import type { MeshConfig } from './config-fields.ts';
import type { MeshBus } from './mesh-bus.ts';

export interface CompositorPart {
  readonly service: ServiceImpl<typeof CompositorService>;
  /** Takes no more renders; those under way get the drain time, then go back to the queue. */
  drain(): Promise<void>;
}

export interface CompositorPartDeps {
  readonly catalog: Catalog;
  readonly stages: RenderStages;
  readonly meshBus: MeshBus;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const REPORT_EVERY_MS = 500;
/** Part of the drain time that is left for putting renders back. */
const PUT_BACK_MS = 3_000;

export function createCompositorPart(config: MeshConfig, deps: CompositorPartDeps): CompositorPart {
  const { catalog, stages, meshBus, log, metrics } = deps;
  const compositorConfig = compositorConfigOf(config);
  const renderDeps = { catalog, stages, metrics, assets: meshBus.assetCache, results: meshBus.results };
  const stop = new AbortController();
  const working = runRenderWorker(
    { concurrency: config.rendersAtOnce, drainMs: Math.max(0, config.drainTimeoutMs - PUT_BACK_MS) },
    {
      ...meshBus,
      handler: logged(
        createRenderHandler({ ...compositorConfig, reportEveryMs: REPORT_EVERY_MS }, renderDeps),
        log,
      ),
      onError: (fault) => log.error('render worker', { error: fault }),
    },
    stop.signal,
  ).catch((error: unknown) => log.error('the render worker ended', { error: toFault(error) }));
  return {
    service: createCompositorService(compositorConfig, renderDeps),
    async drain() {
      stop.abort();
      await working;
    },
  };
}

/** The record of a render shows what its caller may know of a failure; the log keeps the cause. */
function logged(handler: RenderHandler, log: Logger): RenderHandler {
  return async (task) => {
    try {
      return await handler(task);
    } catch (error) {
      const fields = { renderId: task.renderId, attempt: task.attempt, error };
      if (toFault(error).kind === 'internal') log.error('an attempt at a render failed', fields);
      else log.info('an attempt at a render failed', fields);
      throw error;
    }
  };
}
