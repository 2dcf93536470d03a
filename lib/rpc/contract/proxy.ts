/** A TCP relay between client and server that can cut its connections, as a failing network does. */
import { type AddressInfo, createServer, connect as openSocket, type Socket } from 'node:net';

export interface Proxy {
  readonly address: string;
  /** Destroys every connection, without a word of HTTP/2 to either side. */
  cut(): void;
  close(): Promise<void>;
}

export async function createProxy(target: string): Promise<Proxy> {
  const [host, port] = target.split(':');
  const sockets = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = openSocket(Number(port), host);
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    async close() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
