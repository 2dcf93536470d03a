/** A caller of WS /v1/live. */
import { WebSocket } from 'ws';

export interface LiveProblem {
  readonly reason: string;
  readonly detail: string;
}

export type LiveItem =
  | { readonly is: 'started'; readonly width: number; readonly height: number; readonly lookAhead: string }
  | { readonly is: 'fragment'; readonly data: Buffer }
  | { readonly is: 'event'; readonly kind: string; readonly frameIndex: string }
  | { readonly is: 'summary'; readonly frameCount: string; readonly provenance: Record<string, unknown> }
  | { readonly is: 'problem'; readonly problem: LiveProblem };

export interface LiveSocket {
  readonly socket: WebSocket;
  /** Everything that came so far, in order. */
  readonly items: readonly LiveItem[];
  /** Close code and reason, once closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  send(voice: Uint8Array): void;
  command(json: object): void;
  /** The fragments so far as one file. */
  media(): Buffer;
}

export interface LiveSocketOptions {
  readonly key?: string;
  /** Whether pings are answered. */
  readonly autoPong?: boolean;
}

/** Connects and sends the header. */
export async function openLive(
  url: string,
  header: object,
  { key, autoPong = true }: LiveSocketOptions = {},
): Promise<LiveSocket> {
  const protocols = ['talkmesh.live.v1', ...(key === undefined ? [] : [`talkmesh.key.${key}`])];
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/live`, protocols, { autoPong });
  const items: LiveItem[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  socket.on('message', (data: Buffer, isBinary) =>
    items.push(isBinary ? { is: 'fragment', data } : parse(data)),
  );
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  socket.send(JSON.stringify(header));
  return {
    socket,
    items,
    closed,
    send: (voice) => socket.send(voice),
    command: (json) => socket.send(JSON.stringify(json)),
    media: () => Buffer.concat(items.flatMap((item) => (item.is === 'fragment' ? [item.data] : []))),
  };
}

function parse(data: Buffer): LiveItem {
  const message = JSON.parse(data.toString()) as Record<string, object>;
  const [name, value] = Object.entries(message)[0]!;
  if (name === 'problem') return { is: 'problem', problem: value as LiveProblem };
  return { is: name, ...value } as LiveItem;
}
