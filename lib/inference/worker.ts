/**
 * An inference worker: owns ONNX sessions on a thread of its own, because `InferenceSession.run` blocks the event
 * loop that calls it. It does one request after the other, in the order in which they come.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { env, InferenceSession } from 'onnxruntime-node';
import { Fault } from '#lib/fault/fault.ts';
import { chooseProvider } from './provider.ts';
import { openSession, type Session, sessionOptions } from './session.ts';
import {
  type FaultMessage,
  faultFromMessage,
  faultToMessage,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSettings,
} from './worker-protocol.ts';

const port = parentPort;
if (port === null)
  throw new Error('lib/inference/worker.ts is started as a worker thread by lib/inference/lane.ts');
const settings = workerData as WorkerSettings;
const sessions = new Map<string, Session | FaultMessage>();
env.logLevel = 'fatal';

const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, [...transfer]);

const chosen = chooseProvider(settings.provider, async (model, provider) => {
  const session = await InferenceSession.create(model, sessionOptions(provider, 1));
  await session.release();
});
let tail: Promise<void> = chosen.then(
  (provider) => reply({ type: 'ready', chosen: provider }),
  (error: unknown) => reply({ type: 'unready', fault: faultToMessage(error) }),
);
port.on('message', (request: WorkerRequest) => {
  tail = tail.then(() => handle(request));
});

async function handle(request: WorkerRequest): Promise<void> {
  switch (request.type) {
    case 'open':
      return open(request);
    case 'run':
      return run(request);
    case 'close':
      for (const session of sessions.values()) if ('run' in session) await session.close();
      reply({ type: 'closed' });
  }
}

async function open({ id, opening }: Extract<WorkerRequest, { type: 'open' }>): Promise<void> {
  try {
    const { provider } = await chosen;
    sessions.set(opening.key, await openSession(opening, sessionOptions(provider, settings.threadCount)));
    reply({ type: 'opened', id });
  } catch (error) {
    const fault = faultToMessage(error);
    sessions.set(opening.key, fault);
    reply({ type: 'failed', id, fault, buffers: [] });
  }
}

async function run({ id, key, batchSize, buffers }: Extract<WorkerRequest, { type: 'run' }>): Promise<void> {
  try {
    const session = sessions.get(key);
    if (session === undefined) throw new Fault('internal', 'GRAPH_NOT_OPEN', `the graph ${key} is not open`);
    if (!('run' in session)) throw faultFromMessage(session);
    const { startMs, endMs } = await session.run(batchSize, buffers);
    reply({ type: 'ran', id, startMs, endMs, buffers }, buffers);
  } catch (error) {
    reply({ type: 'failed', id, fault: faultToMessage(error), buffers }, buffers);
  }
}
