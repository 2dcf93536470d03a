/** The connections of one client. */
import type { Channel } from '@grpc/grpc-js';

/**
 * Response streams that may share a connection. HTTP/2 gives each stream a window and the connection another.
 * Node and Deno count bytes against the connection's only until they arrive; Bun's client until they are read,
 * so one stream that nobody reads would hold up all others on its connection, and gets one of its own.
 */
export const DEFAULT_STREAMS_PER_CONNECTION = 'Bun' in globalThis ? 1 : Number.POSITIVE_INFINITY;

export interface Lease {
  readonly channel: Channel;
  release(): void;
}

export interface ChannelPool {
  /** A connection for a call. Those whose responses stream are spread; the others share the first. */
  lease(responseStream: boolean): Lease;
  close(): void;
}

/**
 * Connections open as they are needed and stay for the next stream; grpc-js lets the sockets of idle ones go.
 *
 * @param streamsPerConnection at least 1, or infinity for one connection in all.
 */
export function createChannelPool(open: () => Channel, streamsPerConnection: number): ChannelPool {
  const first = open();
  const shared: Lease = { channel: first, release: () => undefined };
  const members: { readonly channel: Channel; streamCount: number }[] = [];
  let closed = false;

  function leaseStream(): Lease {
    let member = members.find(({ streamCount }) => streamCount < streamsPerConnection);
    if (member === undefined) {
      member = { channel: open(), streamCount: 0 };
      members.push(member);
    }
    const taken = member;
    taken.streamCount++;
    return {
      channel: taken.channel,
      release() {
        taken.streamCount--;
      },
    };
  }

  return {
    lease: (responseStream) =>
      responseStream && !closed && Number.isFinite(streamsPerConnection) ? leaseStream() : shared,
    close() {
      closed = true;
      first.close();
      for (const { channel } of members) channel.close();
    },
  };
}
