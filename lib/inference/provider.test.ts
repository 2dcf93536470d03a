import { describe, expect, it } from 'vitest';
import { checkGraph, type ModelSignature } from './graph-check.ts';
import type { GraphSpec } from './manifest.ts';
import { readOpsetImports } from './onnx-header.ts';
import { chooseProvider } from './provider.ts';

describe('chooseProvider()', () => {
  const broken = (): Promise<void> => Promise.reject(new Error('no library'));

  it('takes the one that is asked for when it works, and shows it a real model', async () => {
    const tried: string[] = [];
    const chosen = await chooseProvider('webgpu', async (model, provider) => {
      tried.push(provider);
      expect(readOpsetImports(model).get('')).toBe(17);
    });
    expect(chosen).toEqual({ provider: 'webgpu', passedOver: [] });
    expect(tried).toEqual(['webgpu']);
  });

  it('never takes another than the one that is asked for, and names the remedy', async () => {
    await expect(chooseProvider('tensorrt', broken)).rejects.toMatchObject({
      kind: 'precondition',
      reason: 'PROVIDER_UNAVAILABLE',
      message: expect.stringMatching(
        /provider tensorrt does not work here; install CUDA 12, cuDNN 9, TensorRT 10/,
      ),
      cause: new Error('no library'),
    });
  });

  it('"auto" ends at the CPU and says what it passed over', async () => {
    const chosen = await chooseProvider('auto', (_, provider) =>
      provider === 'cpu' ? Promise.resolve() : broken(),
    );
    expect(chosen.provider).toBe('cpu');
    expect(chosen.passedOver.map(({ provider }) => provider)).toEqual(['cuda', 'webgpu']);
    await expect(chooseProvider('auto', broken)).rejects.toMatchObject({ reason: 'PROVIDER_UNAVAILABLE' });
  });
});

describe('checkGraph()', () => {
  const spec: GraphSpec = {
    file: 'decoder.onnx',
    sha256: '',
    opset: 17,
    precision: 'fp32',
    inputs: { latents: { dtype: 'float32', shape: ['B', 4, 32, 32] } },
    outputs: { image: { dtype: 'float32', shape: ['B', 3, 256, 256] } },
  };
  const latents = { name: 'latents', dtype: 'float32', shape: ['batch', 4, 32, 32] };
  const image = { name: 'image', dtype: 'float32', shape: ['batch', 3, 256, 256] };
  const model: ModelSignature = { opset: 17, inputs: [latents], outputs: [image] };

  it('takes a model that fits, whatever its batch dimension is called', () => {
    expect(() => checkGraph('tiny', spec, model)).not.toThrow();
    const open = { ...image, shape: ['batch', 3, 'height', 'width'] };
    expect(() => checkGraph('tiny', spec, { ...model, outputs: [open] })).not.toThrow();
  });

  it.each([
    ['another operator set', { ...model, opset: 18 }, 'opset is 18, declared 17'],
    ['no operator set', { ...model, opset: undefined }, 'opset is not given, declared 17'],
    [
      'another name',
      { ...model, inputs: [{ ...latents, name: 'z' }] },
      'input latents is declared but absent; input z is not declared',
    ],
    [
      'another type',
      { ...model, outputs: [{ ...image, dtype: 'uint8' }] },
      'output image is uint8 [batch, 3, 256, 256], declared float32 [B, 3, 256, 256]',
    ],
    [
      'another rank',
      { ...model, inputs: [{ ...latents, shape: ['batch', 4, 1024] }] },
      'input latents is float32 [batch, 4, 1024], declared float32 [B, 4, 32, 32]',
    ],
    [
      'another size',
      { ...model, inputs: [{ ...latents, shape: ['batch', 3, 32, 32] }] },
      'input latents is float32 [batch, 3, 32, 32], declared float32 [B, 4, 32, 32]',
    ],
    [
      'a fixed batch',
      { ...model, inputs: [{ ...latents, shape: [1, 4, 32, 32] }] },
      'input latents is float32 [1, 4, 32, 32], declared float32 [B, 4, 32, 32]',
    ],
  ])('refuses %s', (_, signature, disagreement) => {
    const message = `the graph decoder.onnx of the bundle tiny disagrees with its manifest: ${disagreement}`;
    expect(() => checkGraph('tiny', spec, signature)).toThrow(message);
  });
});
