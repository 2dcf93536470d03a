import type { MessagePort } from 'node:worker_threads';
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

/**
 * Serves an inference worker's port: finds the provider, then does one request after the other, in the order in
 * which they come.
 */
export function serveWorker(port: MessagePort, settings: WorkerSettings): void {
  env.logLevel = 'fatal';
  const sessions = new Map<string, Session | FaultMessage>();
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
      sessions.set(opening.key, await openSession(opening, sessionOptions(provider, opening.threadCount)));
      reply({ type: 'opened', id });
    } catch (error) {
      const fault = faultToMessage(error);
      sessions.set(opening.key, fault);
      reply({ type: 'failed', id, fault, buffers: [] });
    }
  }

  async function run({
    id,
    key,
    batchSize,
    buffers,
  }: Extract<WorkerRequest, { type: 'run' }>): Promise<void> {
    try {
      const session = sessions.get(key);
      if (session === undefined)
        throw new Fault('internal', 'GRAPH_NOT_OPEN', `the graph ${key} is not open`);
      if (!('run' in session)) throw faultFromMessage(session);
      const { startMs, endMs } = await session.run(batchSize, buffers);
      reply({ type: 'ran', id, startMs, endMs, buffers }, buffers);
    } catch (error) {
      reply({ type: 'failed', id, fault: faultToMessage(error), buffers }, buffers);
    }
  }
}
