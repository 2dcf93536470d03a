/**
 * An inference worker: owns ONNX sessions on a thread of its own, because `InferenceSession.run` blocks the event
 * loop that calls it. The rest is imported when the thread runs, so that a native library that is missing or made
 * for another platform becomes an answer instead of a crash.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Fault } from '#lib/fault/fault.ts';
import { faultToMessage, type WorkerReply, type WorkerSettings } from './worker-protocol.ts';

const port = parentPort;
if (port === null)
  throw new Error('lib/inference/worker.ts is started as a worker thread by lib/inference/lane.ts');
try {
  const { serveWorker } = await import('./worker-loop.ts');
  serveWorker(port, workerData as WorkerSettings);
} catch (cause) {
  const platform = `${process.platform} ${process.arch}`;
  const message = `onnxruntime-node cannot be loaded on ${platform}; install the dependencies again on this machine (npm ci), with glibc on Linux`;
  const fault = new Fault('precondition', 'INFERENCE_LIBRARY_UNAVAILABLE', message, {
    metadata: { platform },
    cause,
  });
  port.postMessage({ type: 'unready', fault: faultToMessage(fault) } satisfies WorkerReply);
}
