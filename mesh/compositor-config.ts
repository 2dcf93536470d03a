/** The compositor's settings out of the configuration, the same for a mesh and for `talkmesh render`. */
import { type CompositorConfig, DEFAULT_COMPOSITOR_CONFIG } from '#services/compositor/service.ts';
import type { CommonConfig } from './config-fields.ts';
import { toolsOf } from './leaf-services.ts';
import { TALKMESH_VERSION } from './version.ts';

export function compositorConfigOf(config: CommonConfig): CompositorConfig {
  return {
    ...DEFAULT_COMPOSITOR_CONFIG,
    segmentFrameCount: config.segmentFrameCount,
    tempFolder: config.tempFolder,
    tools: toolsOf(config),
    talkmeshVersion: TALKMESH_VERSION,
  };
}
