/** Serving typed services over grpc-js, with health and reflection. */
import type { DescMethod } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import {
  Server,
  type ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { Fault } from '#lib/fault/fault.ts';
import { sleep } from '#lib/flow/abortable.ts';
import { checkAddress, clearStaleSocket, unixPath } from './address.ts';
import { answer } from './answer.ts';
import { type MethodFunction, pathOf, returnsStream, type ServiceBinding, takesStream } from './binding.ts';
import type { CallHook } from './call-hook.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits, transportOptions } from './limits.ts';
import { addReflection } from './reflection.ts';
import { acceptCall, type ServerCall } from './server-call.ts';
import { type ServerTls, serverCredentials } from './tls.ts';

export interface ServeConfig {
  /** `host:port`, where port 0 takes a free one, or `unix:/path`. */
  readonly address: string;
  readonly services: readonly ServiceBinding[];
  readonly limits?: Partial<RpcLimits>;
  /** Without it the server listens in clear text. */
  readonly tls?: ServerTls;
  /** Whether health reports the services as SERVING from the start. Default true. */
  readonly serving?: boolean;
  readonly onCall?: CallHook;
}

export interface RpcServer {
  /** The address with the port that was taken. */
  readonly address: string;
  /** Number of calls whose implementation is running. */
  readonly activeCalls: number;
  /** Sets the health of one service by its full name, or of the whole server by "". */
  setServing(service: string, serving: boolean): void;
  /**
   * Stops without losing work: reports NOT_SERVING, refuses new calls, waits for the running ones up to
   * `timeoutMs` (default `limits.drainTimeoutMs`), aborts what is left with unavailable/DRAINING, and closes.
   * Resolves to the number of calls that had to be aborted.
   */
  drain(timeoutMs?: number): Promise<number>;
  /** Stops at once: every running call ends with unavailable/SERVER_STOPPED. */
  close(): Promise<void>;
}

/** Time that aborted implementations get to end before the server closes over them. */
const ABORT_GRACE_MS = 1_000;
/** Time that last answers get to leave, and streams that never end (Health.Watch) to close, before they are cut. */
const FLUSH_GRACE_MS = 250;

/**
 * Starts a server of these services, grpc.health.v1 and reflection. Throws ADDRESS_INVALID, ADDRESS_IN_USE,
 * ADDRESS_UNUSABLE and TLS_INVALID.
 *
 * Each call runs the implementation with a context whose signal aborts when the client cancels or vanishes, at
 * the deadline, and when the server stops. Whatever the implementation throws is sent as a Fault with its
 * details; what is no Fault is sent as internal/UNEXPECTED without any of its text. Requests are read, and
 * generators are pulled, no faster than the other side takes them; a generator's `return` is called when the
 * call ends first.
 */
export async function serve(config: ServeConfig): Promise<RpcServer> {
  checkAddress(config.address);
  const limits = { ...DEFAULT_RPC_LIMITS, ...config.limits };
  const credentials = serverCredentials(config.tls);
  const active = new Map<ServerCall, Promise<void>>();
  const routes = routesOf(config.services);

  const takeOver: ServerInterceptor = (definition, call) => {
    const route = routes.get(definition.path);
    if (route === undefined) return new ServerInterceptingCall(call);
    const accepted = acceptCall(call);
    const ended = answer(accepted, route.method, route.run, {
      maxMessageBytes: limits.maxMessageBytes,
      onCall: config.onCall,
    });
    active.set(accepted, ended);
    void ended.then(() => active.delete(accepted));
    return new AnsweredCall(call);
  };

  const server = new Server({
    ...transportOptions(limits),
    'grpc.max_concurrent_streams': limits.maxConcurrentStreams,
    'grpc.max_connection_age_ms': limits.maxConnectionAgeMs,
    'grpc.max_connection_age_grace_ms': limits.maxConnectionAgeGraceMs,
    interceptors: [takeOver],
  });
  for (const { descriptor } of config.services) {
    server.addService(definitionOf(descriptor), {});
  }
  const health = new HealthImplementation();
  health.addToServer(server);
  addReflection(
    server,
    config.services.map(({ descriptor }) => descriptor),
  );
  const healthNames = ['', ...config.services.map(({ descriptor }) => descriptor.typeName)];

  function setServing(service: string, serving: boolean): void {
    health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
  }
  for (const name of healthNames) setServing(name, config.serving ?? true);

  const address = await listen(server, config.address, credentials);

  async function abortActive(fault: Fault): Promise<number> {
    const left = [...active];
    for (const [call] of left) call.abort(fault);
    await within(ABORT_GRACE_MS, Promise.all(left.map(([, ended]) => ended)));
    return left.length;
  }

  return {
    address,
    get activeCalls() {
      return active.size;
    },
    setServing,
    async drain(timeoutMs = limits.drainTimeoutMs) {
      for (const name of healthNames) setServing(name, false);
      const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      await within(timeoutMs, Promise.all(active.values()));
      const aborted = await abortActive(
        new Fault('unavailable', 'DRAINING', 'this server is shutting down; try again at another'),
      );
      await within(FLUSH_GRACE_MS, closed);
      server.forceShutdown();
      return aborted;
    },
    async close() {
      const stopped = abortActive(new Fault('unavailable', 'SERVER_STOPPED', 'this server has stopped'));
      const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      await stopped;
      await within(FLUSH_GRACE_MS, closed);
      server.forceShutdown();
    },
  };
}

/** What grpc-js' own handler gets of a call that is answered already: nothing ever happens on it. */
class AnsweredCall extends ServerInterceptingCall {
  override start(): void {
    // Not started, so that the handler neither reads nor answers.
  }
}

interface Route {
  readonly method: DescMethod;
  readonly run: MethodFunction;
}

function routesOf(services: readonly ServiceBinding[]): ReadonlyMap<string, Route> {
  const routes = services.flatMap(({ methods }) =>
    [...methods].map(([method, run]) => [pathOf(method), { method, run }] as const),
  );
  return new Map(routes);
}

/** What grpc-js needs to route a call: paths and kinds. Messages pass as bytes. */
function definitionOf(descriptor: GenService<GenServiceMethods>): ServiceDefinition {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const entries = descriptor.methods.map((method) => [
    method.localName,
    {
      path: pathOf(method),
      requestStream: takesStream(method),
      responseStream: returnsStream(method),
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  ]);
  return Object.fromEntries(entries);
}

async function listen(server: Server, address: string, credentials: ServerCredentials): Promise<string> {
  const path = unixPath(address);
  if (path !== undefined) await clearStaleSocket(path);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, bound) => {
      if (cause === null) resolve(bound);
      else
        reject(
          new Fault('unavailable', 'ADDRESS_UNUSABLE', `cannot listen on ${address}; is it in use?`, {
            cause,
          }),
        );
    });
  });
  return path === undefined ? address.replace(/:\d+$/, `:${port}`) : address;
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const timeout = new AbortController();
  try {
    await Promise.race([work, sleep(timeoutMs, timeout.signal)]);
  } finally {
    timeout.abort();
  }
}
