/** Implementations as the bindings see them: one untyped function for each method of a descriptor. */
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';
import type { CallContext, ServiceImpl } from './service-types.ts';

/** A message that may still be a plain object, as an implementation or a caller may give it. */
export type MessageInit = MessageInitShape<DescMessage>;
export type Message = MessageShape<DescMessage>;

/** A method of any kind. The service types say what each really takes and returns. */
export type MethodFunction = (
  input: Message | AsyncIterable<Message>,
  context: CallContext,
) => Promise<MessageInit> | AsyncIterable<MessageInit>;

/** A service and the functions that implement it. */
export interface ServiceBinding {
  readonly descriptor: GenService<GenServiceMethods>;
  readonly methods: ReadonlyMap<DescMethod, MethodFunction>;
}

/**
 * Puts a service and its implementation together; the compiler checks that they fit. Throws a TypeError when a
 * method is missing all the same.
 */
export function bind<S extends GenService<GenServiceMethods>>(
  descriptor: S,
  implementation: ServiceImpl<S>,
): ServiceBinding {
  const functions = implementation as unknown as Readonly<Record<string, MethodFunction | undefined>>;
  const methods = new Map<DescMethod, MethodFunction>();
  for (const method of descriptor.methods) {
    const run = functions[method.localName];
    if (run === undefined) throw new TypeError(`${descriptor.typeName} lacks ${method.localName}`);
    methods.set(method, run.bind(implementation));
  }
  return { descriptor, methods };
}

export function takesStream(method: DescMethod): boolean {
  return method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
}

export function returnsStream(method: DescMethod): boolean {
  return method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
}

/** `/package.Service/Method`: the path of the method's calls. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
