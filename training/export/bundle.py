"""Writes a bundle: ONNX graphs, checked against PyTorch by onnxruntime, and the manifest that describes them."""
import hashlib
import inspect
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass

import numpy as np
import torch

import recipe

OPSET = 17
R = recipe.REGION
H, W = R["height"] // recipe.DOWNSAMPLING, R["width"] // recipe.DOWNSAMPLING


@dataclass
class Graph:
    """One graph of a bundle: its module and the names and free-batch shapes of its inputs and outputs."""
    module: torch.nn.Module
    inputs: dict   # name -> (dtype, shape after B)
    outputs: list  # names


def graph_inputs(context):
    """The inputs and output names of each graph for the recipe's geometry; context: (K, D)."""
    latent, image = [recipe.LATENT_CHANNELS, H, W], [3, R["height"], R["width"]]
    f32 = "float32"
    return {
        "audio_features": ({"mel": (f32, [recipe.CONTEXT_FRAMES, recipe.BANDS])}, ["features"]),
        "conditioner": ({"features": (f32, [recipe.WINDOW, recipe.FEATURES]),
                         "landmarks": (f32, [len(recipe.VISIBLE), 2])}, ["context"]),
        "face_encoder": ({"image": (f32, image)}, ["latents"]),
        "denoiser": ({"latents": (f32, latent), "masked": (f32, latent), "reference": (f32, latent),
                      "timesteps": ("int64", []), "context": (f32, list(context))}, ["prediction"]),
        "face_decoder": ({"latents": (f32, latent)}, ["image"]),
        "face_detector": ({"image": (f32, [3, 192, 192])}, ["boxes", "scores"]),
        "face_landmarks": ({"image": (f32, [3, 128, 128])}, ["points", "visibility", "confidence"]),
    }


def example(inputs, batch, seed):
    g = torch.Generator().manual_seed(seed)
    out = []
    for dtype, shape in inputs.values():
        if dtype == "int64":
            out.append(torch.randint(0, recipe.DIFFUSION["trainTimesteps"], (batch, *shape), generator=g))
        else:
            out.append(torch.rand((batch, *shape), generator=g) * 2 - 1)
    return tuple(out)


def export_graph(graph, path):
    """Writes one ONNX file with a free batch dimension named B."""
    names = [*graph.inputs, *graph.outputs]
    options = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # the tracing exporter: the same graphs from torch 1.13 and from current torch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(graph.module, example(graph.inputs, 2, 0), path, opset_version=OPSET,
                          input_names=list(graph.inputs), output_names=graph.outputs,
                          dynamic_axes={n: {0: "B"} for n in names}, do_constant_folding=True, **options)


def halve_weights(path):
    """Stores large weights as float16 behind a Cast to float32: half the file, the same float32 graph once loaded.

    After round_weights nothing changes numerically, but for batch norms that the exporter folds into convolutions;
    check_graph measures the difference to PyTorch afterwards.
    """
    import onnx
    from onnx import checker, helper, numpy_helper
    model = onnx.load(path)
    casts, kept = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 256:
            kept.append(tensor)
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        kept.append(numpy_helper.from_array(half, tensor.name + ".f16"))
        casts.append(helper.make_node("Cast", [tensor.name + ".f16"], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    checker.check_model(model)
    onnx.save(model, path)


def round_weights(module):
    """Rounds large weights to float16 values, in place: what halve_weights stores. Raises when one does not fit."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.numel() >= 256:
                if float(p.abs().max()) > 6e4:
                    raise ValueError(f"{name} holds {float(p.abs().max()):.3g}, which float16 cannot")
                p.copy_(p.half().float())


def check_graph(name, graph, path):
    """The largest difference between onnxruntime and PyTorch over batches of 1 and 3, and the output shapes.

    Absolute, but for outputs beyond 1 (pixels) relative to the largest value.
    """
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst, shapes = 0.0, {}
    for batch in (1, 3):
        values = example(graph.inputs, batch, 1 + batch)
        with torch.no_grad():
            expected = graph.module(*values)
        expected = expected if isinstance(expected, tuple) else (expected,)
        got = session.run(None, {k: v.numpy() for k, v in zip(graph.inputs, values)})
        if len(got) != len(graph.outputs):
            raise ValueError(f"{name}: {len(got)} outputs, expected {graph.outputs}")
        for key, e, o in zip(graph.outputs, expected, got):
            if tuple(e.shape) != o.shape or o.shape[0] != batch:
                raise ValueError(f"{name}.{key}: onnxruntime gives {o.shape}, PyTorch {tuple(e.shape)}, batch {batch}")
            worst = max(worst, float(np.abs(e.numpy() - o).max() / max(1.0, np.abs(o).max())))
            shapes[key] = ["B", *o.shape[1:]]
    return worst, shapes


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def write_bundle(folder, manifest, graphs, provenance, quality, tolerance=1e-3, texts=None, halve=False):
    """Writes the bundle to folder, all or nothing: a graph that differs from PyTorch by more than tolerance raises.

    graphs: name -> Graph. texts: further files (name -> text), such as the card. halve: weights rounded to float16 and
    stored so. Returns the manifest.
    """
    parent = os.path.dirname(os.path.abspath(folder))
    os.makedirs(parent, exist_ok=True)
    stage = tempfile.mkdtemp(prefix=".bundle-", dir=parent)
    try:
        manifest, parity = {**manifest, "graphs": {}}, {}
        for name, graph in graphs.items():
            graph.module.eval()
            path = os.path.join(stage, name + ".onnx")
            if halve:
                round_weights(graph.module)
            export_graph(graph, path)
            if halve:
                halve_weights(path)
            parity[name], outputs = check_graph(name, graph, path)
            if not parity[name] <= tolerance:
                raise ValueError(f"{name}: onnxruntime and PyTorch differ by {parity[name]:.2e}, limit {tolerance:.0e}")
            manifest["graphs"][name] = {
                "file": name + ".onnx", "sha256": sha256(path), "opset": OPSET, "precision": "fp32",
                "inputs": {k: {"dtype": d, "shape": ["B", *s]} for k, (d, s) in graph.inputs.items()},
                "outputs": {k: {"dtype": "float32", "shape": s} for k, s in outputs.items()},
            }
        manifest["provenance"] = {**provenance, "onnxMaxError": {k: float(f"{v:.3g}") for k, v in parity.items()}}
        manifest["quality"] = quality
        for name, text in (texts or {}).items():
            with open(os.path.join(stage, name), "w", encoding="utf8") as f:
                f.write(text)
        with open(os.path.join(stage, "bundle.json"), "w", encoding="utf8") as f:
            json.dump(manifest, f, indent=2)
            f.write("\n")
        os.chmod(stage, 0o755)
        old = stage + ".old"
        if os.path.isdir(folder):
            os.replace(folder, old)
        os.replace(stage, folder)
        shutil.rmtree(old, ignore_errors=True)
        return manifest
    finally:
        shutil.rmtree(stage, ignore_errors=True)
