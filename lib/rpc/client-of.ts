/** A client object from a service descriptor. */
import type { DescMethod } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import type { ServiceClient } from './service-types.ts';

/**
 * One function for each RPC, made by `bind`. The descriptor's types and its methods come from the same proto,
 * which is what makes the one cast here sound.
 */
export function clientOf<S extends GenService<GenServiceMethods>>(
  descriptor: S,
  bind: (method: DescMethod) => (...call: never[]) => unknown,
): ServiceClient<S> {
  const methods = descriptor.methods.map((method) => [method.localName, bind(method)] as const);
  return Object.fromEntries(methods) as unknown as ServiceClient<S>;
}
