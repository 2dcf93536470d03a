/** The demo: the shipped synthetic face says the shipped speech, through the real pipeline. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runRenderCommand } from '#mesh/render-command.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'out');

await mkdir(out, { recursive: true });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new DOMException('interrupted', 'AbortError')));
const args = {
  '--source': join(root, 'demo/face.mp4'),
  '--audio': join(root, 'demo/speech.wav'),
  '--out': join(out, 'demo.mp4'),
  '--json': join(out, 'demo.json'),
};
const report = await runRenderCommand(Object.entries(args).flat(), process.env, stop.signal);
console.log(`frames a second   ${report.framesPerSecond.toFixed(1)}`);
console.log(`mesh efficiency   ${report.meshEfficiency.toFixed(3)} (time inside ONNX runs / wall time)`);
console.log(`video             ${args['--out']}`);
console.log(`what was measured ${args['--json']}`);
