/** `npm run bench -- NAME [--json FILE]`: what is measured, as ratios within one run. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runMeshBench } from './mesh.ts';

const BENCHES: Readonly<Record<string, () => Promise<Readonly<Record<string, number | string>>>>> = {
  mesh: runMeshBench,
};

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  options: { json: { type: 'string' } },
  allowPositionals: true,
});
const bench = BENCHES[positionals[0] ?? ''];
if (bench === undefined) {
  console.error(`npm run bench -- NAME [--json FILE]; NAME is one of: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
const figures = await bench();
console.log();
for (const [name, value] of Object.entries(figures)) {
  console.log(name.padEnd(24), typeof value === 'number' ? Number(value.toPrecision(4)) : value);
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);
