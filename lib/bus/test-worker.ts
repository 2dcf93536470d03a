/** For render-crash.test.ts: a worker process. Tells on standard output what it does; a line on stdin lets it finish. */
import { createInterface } from 'node:readline';
import { connectBus } from './connection.ts';
import { runRenderWorker } from './render-worker.ts';
import { createStores } from './test-bus.ts';

const [url, token, mode] = process.argv.slice(2) as [string, string, 'make' | 'hang' | 'crash'];
const bus = await connectBus({ url, credentials: { token }, name: 'worker', reconnectPauseMs: [20, 60] });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const finish = new AbortController();
const lines = createInterface({ input: process.stdin });
lines.on('line', () => finish.abort());
lines.on('close', () => process.exit());

say('ready');
await runRenderWorker(
  { concurrency: 1, heartbeatMs: 300 },
  {
    ...createStores(bus),
    async handler(task) {
      say(`begins ${task.renderId} ${task.attempt}`);
      if (mode === 'crash') process.kill(process.pid, 'SIGKILL');
      if (mode === 'hang') await new Promise((resolve) => finish.signal.addEventListener('abort', resolve));
      say(`makes ${task.renderId} ${task.attempt}`);
      return { mediaType: 'video/mp4', sizeBytes: BigInt(task.attempt) };
    },
  },
  new AbortController().signal,
);
