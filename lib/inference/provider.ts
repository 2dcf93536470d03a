/** Execution providers: what may be asked for, and how "auto" picks one that works on this machine. */
import { readdir } from 'node:fs/promises';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Fault } from '#lib/fault/fault.ts';

export type Provider = 'cpu' | 'cuda' | 'tensorrt' | 'webgpu';

/** "auto" takes the first of `AUTO_PROVIDERS` that works. */
export type ProviderChoice = Provider | 'auto';

/** Fastest first. TensorRT builds engines for minutes at first use, so it is only taken when asked for. */
export const AUTO_PROVIDERS: readonly Provider[] = ['cuda', 'webgpu', 'cpu'];

/** A provider that "auto" passed over, and what it lacked, for the log. */
export interface PassedOver {
  readonly provider: Provider;
  readonly reason: string;
}

export interface ChosenProvider {
  readonly provider: Provider;
  readonly passedOver: readonly PassedOver[];
}

const REMEDIES: Readonly<Record<Provider, string>> = {
  cpu: 'reinstall onnxruntime-node for this platform',
  cuda: 'install CUDA 12, cuDNN 9 and the provider libraries (ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node)',
  tensorrt:
    'install CUDA 12, cuDNN 9, TensorRT 10 and the provider libraries (ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node)',
  webgpu: 'install a Vulkan driver for the GPU (libvulkan1 and the vendor driver)',
};

/**
 * Finds the provider to use by opening a one-node model on it.
 *
 * @param open opens a model on a provider, and throws when that provider does not work
 * @throws Fault precondition PROVIDER_UNAVAILABLE, which names the remedy
 */
export async function chooseProvider(
  choice: ProviderChoice,
  open: (model: Uint8Array, provider: Provider) => Promise<void>,
): Promise<ChosenProvider> {
  const model = probeModel();
  const passedOver: PassedOver[] = [];
  let failure: unknown;
  for (const provider of choice === 'auto' ? AUTO_PROVIDERS : [choice]) {
    if (choice === 'auto' && provider !== 'cpu' && !(await hasGpuDevice())) {
      passedOver.push({ provider, reason: 'this machine shows no GPU device' });
      continue;
    }
    try {
      await open(model, provider);
      return { provider, passedOver };
    } catch (error) {
      failure = error;
      passedOver.push({ provider, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const { provider } = passedOver.at(-1)!;
  const message = `the execution provider ${provider} does not work here; ${REMEDIES[provider]}, or configure another`;
  throw new Fault('precondition', 'PROVIDER_UNAVAILABLE', message, {
    metadata: { provider },
    cause: failure,
  });
}

/** Whether the kernel shows a GPU. Without this look first, drivers would complain on stderr of what they miss. */
async function hasGpuDevice(): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const names = await Promise.all(['/dev', '/dev/dri'].map((folder) => readdir(folder).catch(() => [])));
  return names.flat().some((name) => /^(nvidia\d+|kfd|dxg|renderD\d+)$/.test(name));
}

/** An ONNX model (opset 17) with one node, y = Relu(x), on one float. Field numbers are those of onnx.proto. */
function probeModel(): Uint8Array {
  const message = (write: (writer: BinaryWriter) => BinaryWriter): Uint8Array =>
    write(new BinaryWriter()).finish();
  const bytes = (writer: BinaryWriter, field: number, value: Uint8Array): BinaryWriter =>
    writer.tag(field, 2).bytes(value);
  const dimension = message((writer) => writer.tag(1, 0).int64(1));
  const shape = message((writer) => bytes(writer, 1, dimension));
  const tensor = message((writer) => bytes(writer.tag(1, 0).int32(1), 2, shape));
  const type = message((writer) => bytes(writer, 1, tensor));
  const value = (name: string): Uint8Array =>
    message((writer) => bytes(writer.tag(1, 2).string(name), 2, type));
  const node = message((writer) =>
    writer.tag(1, 2).string('x').tag(2, 2).string('y').tag(4, 2).string('Relu'),
  );
  const graph = message((writer) => {
    bytes(writer, 1, node).tag(2, 2).string('probe');
    return bytes(bytes(writer, 11, value('x')), 12, value('y'));
  });
  const opset = message((writer) => writer.tag(2, 0).int64(17));
  return message((writer) => bytes(bytes(writer.tag(1, 0).int64(8), 7, graph), 8, opset));
}
