/** The gateway on a port: HTTP and WebSockets on node:http, which Node, Deno and Bun all have. */
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { type WebSocket, WebSocketServer } from 'ws';
import { Fault } from '#lib/fault/fault.ts';
import { reportStray } from '#lib/flow/stray.ts';

export interface HttpServerConfig {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** Largest WebSocket message. */
  readonly maxSocketMessageBytes: number;
}

export interface HttpServerDeps {
  readonly app: Hono;
  /** Serves one socket of /v1/live; the key comes from the Authorization header or a subprotocol. */
  readonly onLiveSocket: (socket: WebSocket, authorization: string | undefined) => Promise<void>;
}

export interface HttpServer {
  /** The address with the port that was taken. */
  readonly address: string;
  /** Accepts nothing new, waits for what is under way, and cuts what is left after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

const LIVE_PATH = '/v1/live';
const PROTOCOL = 'talkmesh.live.v1';
const KEY_PROTOCOL = 'talkmesh.key.';
const GOING_AWAY = 1001;

/** @throws Fault precondition ADDRESS_IN_USE, ADDRESS_UNUSABLE */
export async function startHttpServer(config: HttpServerConfig, deps: HttpServerDeps): Promise<HttpServer> {
  const server = createAdaptorServer({ fetch: deps.app.fetch }) as Server;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: config.maxSocketMessageBytes,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  server.on('upgrade', (request, stream, head) => {
    if (new URL(request.url ?? '/', 'http://gateway').pathname !== LIVE_PATH) {
      stream.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      deps
        .onLiveSocket(socket, authorizationOf(request))
        .catch((error: unknown) => reportStray(error, 'a live socket'));
    });
  });
  const { host, port } = parseAddress(config.address);
  await listen(server, host, port);
  const closed = new Promise((resolve) => server.once('close', resolve));
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    async drain(timeoutMs) {
      if (server.listening) server.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => {
        for (const socket of sockets.clients) socket.close(GOING_AWAY, 'DRAINING');
        server.closeAllConnections();
        for (const socket of sockets.clients) socket.terminate();
      }, timeoutMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

function authorizationOf(request: IncomingMessage): string | undefined {
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const key = protocols.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  return request.headers.authorization ?? (key === undefined ? undefined : `Bearer ${key}`);
}

function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  if (match === null) {
    throw new Fault('precondition', 'ADDRESS_INVALID', `"${address}" is no host:port to serve HTTP on`);
  }
  return { host: (match[1] ?? match[2])!, port: Number(match[3]) };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'ADDRESS_UNUSABLE';
      reject(
        new Fault('precondition', reason, `HTTP cannot be served on ${host}:${port} (${cause.code})`, {
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
