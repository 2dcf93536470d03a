/** The bundles that can be rendered with, as the compositors offer them. */
import type { Bundle, CompositorService } from '#gen/talkmesh/compositor/v1/compositor_service_pb.ts';
import { Fault } from '#lib/fault/fault.ts';
import type { ServiceClient } from '#lib/rpc/service-types.ts';

export interface BundleOffers {
  list(signal: AbortSignal): Promise<readonly Bundle[]>;
  /** The bundle of a name; empty means the default. @throws Fault missing BUNDLE_UNKNOWN */
  find(name: string, signal: AbortSignal): Promise<Bundle>;
}

const KEEP_MS = 30_000;

/** Asks a compositor, and keeps the answer for a while: what is offered changes with deployments only. */
export function createBundleOffers(compositor: ServiceClient<typeof CompositorService>): BundleOffers {
  let kept: { readonly bundles: readonly Bundle[]; readonly untilMs: number } | undefined;

  async function list(signal: AbortSignal): Promise<readonly Bundle[]> {
    if (kept !== undefined && performance.now() < kept.untilMs) return kept.bundles;
    const { bundles } = await compositor.listBundles({}, { signal });
    kept = { bundles, untilMs: performance.now() + KEEP_MS };
    return bundles;
  }

  return {
    list,
    async find(name, signal) {
      const bundles = await list(signal);
      const found = bundles.find((bundle) => (name === '' ? bundle.isDefault : bundle.name === name));
      if (found !== undefined) return found;
      const known = bundles.map((bundle) => bundle.name).join(', ');
      throw new Fault(
        'missing',
        'BUNDLE_UNKNOWN',
        `there is no bundle named ${JSON.stringify(name)}; known: ${known}`,
        {
          violations: [{ field: 'face.bundle', description: `is unknown; known: ${known}` }],
        },
      );
    },
  };
}
