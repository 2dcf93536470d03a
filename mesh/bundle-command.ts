/** `talkmesh bundle`: what bundles there are, what is in one, and whether it is whole. */
import { type Environment, parseConfig } from '#lib/config/parse.ts';
import { invalidField } from '#lib/fault/fault.ts';
import type { Bundle } from '#lib/inference/bundle.ts';
import { GRAPH_NAMES, type GraphName } from '#lib/inference/manifest.ts';
import { COMMON_FIELDS } from './config-fields.ts';
import { openConfiguredCatalog, startInference } from './leaf-services.ts';

export const BUNDLE_USAGE = `talkmesh bundle list             the bundles in TALKMESH_BUNDLE_FOLDERS
talkmesh bundle inspect [NAME]   a bundle's recipes, graphs and measured quality
talkmesh bundle verify [NAME]    checksums of every graph, and every graph loaded against the manifest
`;

export async function runBundleCommand(
  [action, name = '']: readonly string[],
  env: Environment,
): Promise<void> {
  const config = parseConfig(COMMON_FIELDS, env);
  const catalog = await openConfiguredCatalog(config);
  if (action === 'list') {
    for (const bundle of catalog.list()) print(summary(bundle, bundle === catalog.defaultBundle));
  } else if (action === 'inspect') {
    print(JSON.stringify(inspection(catalog.get(name)), null, 2));
  } else if (action === 'verify') {
    await verify(catalog.get(name), config);
  } else {
    throw invalidField('COMMAND_UNKNOWN', 'bundle', `takes list, inspect or verify\n\n${BUNDLE_USAGE}`);
  }
}

function summary({ manifest }: Bundle, isDefault: boolean): string {
  const { name, version, method, image, diffusion, licence } = manifest;
  const size = `${image.sizePx}x${image.sizePx}, f=${image.downsampling}`;
  const mark = isDefault ? ' (default)' : '';
  return `${name} ${version}${mark}: ${method}, ${size}, ${diffusion.steps.default} steps, ${licence}`;
}

function inspection({ manifest, manifestSha256 }: Bundle) {
  const { graphs, audio, ...rest } = manifest;
  const { normalisation, ...recipe } = audio;
  const { prior, scale, ...settings } = normalisation;
  return {
    manifestSha256,
    ...rest,
    audio: { ...recipe, normalisation: { ...settings, bands: prior.length || scale.length } },
    graphs: Object.fromEntries(
      Object.entries(graphs).map(([graph, { inputs, outputs, ...spec }]) => [
        graph,
        { ...spec, inputs: shapes(inputs), outputs: shapes(outputs) },
      ]),
    ),
  };
}

function shapes(
  tensors: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly unknown[] }>>,
) {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape }]) => [name, `${dtype} [${shape.join(', ')}]`]),
  );
}

async function verify(bundle: Bundle, config: Parameters<typeof startInference>[0]): Promise<void> {
  await bundle.verify();
  print(`${bundle.manifest.name}: checksums match`);
  const runtime = await startInference(config);
  try {
    for (const graph of GRAPH_NAMES.filter(
      (known: GraphName) => bundle.manifest.graphs[known] !== undefined,
    )) {
      await runtime.open(bundle, graph);
      print(`${graph}: loads on ${runtime.provider}, signature as declared`);
    }
  } finally {
    await runtime.close();
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
