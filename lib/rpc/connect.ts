/** A typed client of a remote service, over grpc-js. */
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import { Channel, type ChannelOptions } from '@grpc/grpc-js';
import { Fault } from '#lib/fault/fault.ts';
import { checkAddress } from './address.ts';
import type { CallHook } from './call-hook.ts';
import { createChannelPool } from './channel-pool.ts';
import { clientOf } from './client-of.ts';
import { DEFAULT_RPC_LIMITS, type RpcLimits, transportOptions } from './limits.ts';
import { type Remote, remoteMethod } from './remote-method.ts';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './retry.ts';
import type { ServiceClient } from './service-types.ts';
import { type ClientTls, clientCredentials, serverNameOptions } from './tls.ts';

export interface ConnectConfig {
  /** `host:port`, `dns:///host:port` or `unix:/path`. */
  readonly address: string;
  readonly limits?: Partial<RpcLimits>;
  /** Without it the connection is in clear text. */
  readonly tls?: ClientTls;
  /** Applies to unary calls only. */
  readonly retry?: Partial<RetryPolicy>;
  /** Wait for a server that cannot be reached, up to the call's deadline, instead of failing. Default false. */
  readonly waitForReady?: boolean;
  /** How a name with several addresses is used: all of them in turn, or the first that answers (default). */
  readonly balance?: 'first' | 'round-robin';
  readonly onCall?: CallHook;
}

export interface Connection<S extends GenService<GenServiceMethods>> {
  readonly client: ServiceClient<S>;
  /** Cancels the calls that are running, with CLIENT_CLOSED, and closes the connection. */
  close(): void;
}

/**
 * A client of the service at an address. Connects with the first call, and again after a loss. Every error that
 * its methods throw is a Fault: `late` at the deadline, `cancelled` when the signal aborts, `unavailable` when
 * the server cannot be reached or is lost, else what the service threw.
 *
 * A streaming method starts with the first pull from its result. Leaving the loop over the result cancels the
 * call. A fault may overtake responses that have not been read yet, as in all of gRPC; a normal end does not. Its request iterable is pulled only as fast as the server reads, and its `return` is called when the
 * call ends first.
 *
 * Throws ADDRESS_INVALID, TLS_INVALID and TLS_SERVER_NAME_MISSING.
 */
export function connect<S extends GenService<GenServiceMethods>>(
  descriptor: S,
  config: ConnectConfig,
): Connection<S> {
  checkAddress(config.address);
  const limits = { ...DEFAULT_RPC_LIMITS, ...config.limits };
  const credentials = clientCredentials(config.tls);
  const options: ChannelOptions = {
    ...transportOptions(limits),
    ...serverNameOptions(config.tls, config.address),
    ...balanceOptions(config.balance),
    // A message counts as sent when it is written, not when it is held for sending again (up to 1 MiB of them):
    // backpressure and `cancel-mark.ts` need to know.
    'grpc.per_rpc_retry_buffer_size': 0,
    'grpc.max_reconnect_backoff_ms': limits.maxReconnectBackoffMs,
    // Connections of its own, so that close() closes them and no other client's streams are in the way.
    'grpc.use_local_subchannel_pool': 1,
    // Addresses of the mesh are reached directly, whatever http_proxy says.
    'grpc.enable_http_proxy': 0,
    // Name servers may not choose the load balancing of the mesh.
    'grpc.service_config_disable_resolution': 1,
  };
  const channels = createChannelPool(
    () => new Channel(config.address, credentials, options),
    limits.streamsPerConnection,
  );
  const remote: Remote = {
    channels,
    maxMessageBytes: limits.maxMessageBytes,
    retry: { ...DEFAULT_RETRY_POLICY, ...config.retry },
    waitForReady: config.waitForReady ?? false,
    onCall: config.onCall,
    running: new Set(),
  };
  return {
    client: clientOf(descriptor, (method) => remoteMethod(remote, method)),
    close() {
      const closed = new Fault('cancelled', 'CLIENT_CLOSED', 'this client is closed');
      for (const call of remote.running) call.cancel(closed);
      channels.close();
    },
  };
}

function balanceOptions(balance: ConnectConfig['balance']): ChannelOptions {
  const policy = balance === 'round-robin' ? 'round_robin' : 'pick_first';
  return { 'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }] }) };
}
