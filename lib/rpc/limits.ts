/**
 * The limits and defaults of gRPC connections. Each is a field of `RpcLimits`, so a service or a test overrides
 * what it needs and keeps the rest.
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import { DEFAULT_STREAMS_PER_CONNECTION } from './channel-pool.ts';

export interface RpcLimits {
  /**
   * Largest message either side sends or accepts, in bytes. gRPC's own default is 4 MiB to receive; a 512x512
   * RGB face is 0.75 MiB and the reference frames of a header may be a few, so the default is 16 MiB.
   */
  readonly maxMessageBytes: number;
  /**
   * HTTP/2 flow-control window of a stream, in bytes: what may be in flight before the reader has to read. The
   * protocol's default of 64 KiB halves the throughput of large messages. Times `maxConcurrentStreams` it is the
   * memory that one client can make a server hold, so a public port wants less of both.
   */
  readonly flowControlWindowBytes: number;
  /** Silence on a connection before it is probed with a ping, in milliseconds. */
  readonly keepaliveTimeMs: number;
  /** Time for the answer to that ping before the connection counts as lost, in milliseconds. */
  readonly keepaliveTimeoutMs: number;
  /** Serving: streams that one connection may have open at once; more wait at the client. */
  readonly maxConcurrentStreams: number;
  /**
   * Serving: age at which a connection is asked to close, in milliseconds (varied by 10 %), so that clients
   * come back through name resolution and find new replicas. Running calls go on.
   */
  readonly maxConnectionAgeMs: number;
  /** Serving: time for running calls after that before the connection is cut. Longer than the longest render. */
  readonly maxConnectionAgeGraceMs: number;
  /** Serving: time that `drain()` leaves running calls before it aborts them, in milliseconds. */
  readonly drainTimeoutMs: number;
  /** Connecting: response streams on one connection; 1 on Bun (`channel-pool.ts` says why), else no limit. */
  readonly streamsPerConnection: number;
  /** Connecting: longest pause between attempts to reconnect, in milliseconds. gRPC's own default is 2 minutes. */
  readonly maxReconnectBackoffMs: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  maxMessageBytes: 16 * 1024 * 1024,
  flowControlWindowBytes: 8 * 1024 * 1024,
  keepaliveTimeMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  maxConcurrentStreams: 256,
  maxConnectionAgeMs: 30 * 60_000,
  maxConnectionAgeGraceMs: 60 * 60_000,
  drainTimeoutMs: 25_000,
  streamsPerConnection: DEFAULT_STREAMS_PER_CONNECTION,
  maxReconnectBackoffMs: 5_000,
};

/** The options that both ends of a connection share. */
export function transportOptions(limits: RpcLimits): ChannelOptions {
  return {
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    // Sending is checked before grpc-js sees the message, so that the fault can say what to do.
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': limits.flowControlWindowBytes,
    'grpc.keepalive_time_ms': limits.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
  };
}
