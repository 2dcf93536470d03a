"""Makes the bundle f8-512 from checkpoints.

    python3 -m export.f8 --cache .cache --audio .cache/audio/encoder.pt --version 1 --quality .cache/quality.json \\
        --provenance .cache/provenance.json --out ../bundles/f8-512

Reads autoencoder-final.pt, denoiser.pt, detector.pt and landmarks.pt of the cache, and export/CARD.f8-512.md.
"""
import argparse
import json
import os

import torch

import recipe
from audio.model import load_checkpoint, load_encoder
from export.bundle import Graph, graph_inputs, write_bundle
from models.autoencoder import Decoder, Encoder
from models.faces import FaceDetector, FaceLandmarks
from train.evaluate import load_denoiser
from train.loop import load_weights, read_checkpoint

HERE = os.path.dirname(os.path.abspath(__file__))


def modules_of(cache, audio):
    cpu = torch.device("cpu")

    def weights(module, file, key):
        path = os.path.join(cache, file)
        load_weights(module, read_checkpoint(path)["average"][key], f"{path} ({key})")
        return module.eval()

    net, conditioner = load_denoiser(os.path.join(cache, "denoiser.pt"), cpu)
    return {
        "audio_features": load_encoder(audio).eval(), "conditioner": conditioner,
        "face_encoder": weights(Encoder(), "autoencoder-final.pt", "encoder"), "denoiser": net,
        "face_decoder": weights(Decoder(), "autoencoder-final.pt", "decoder"),
        "face_detector": weights(FaceDetector(), "detector.pt", "detector"),
        "face_landmarks": weights(FaceLandmarks(), "landmarks.pt", "landmarks"),
    }


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--cache", required=True)
    ap.add_argument("--audio", required=True)
    ap.add_argument("--version", required=True)
    ap.add_argument("--quality", required=True, help="JSON of measured figures")
    ap.add_argument("--provenance", required=True, help="JSON: trainedOn, seconds, device, commit")
    ap.add_argument("--steps", type=int, default=1, help="default steps: those that measured best")
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    modules = modules_of(args.cache, args.audio)
    inputs = graph_inputs(context=(1, 192))
    graphs = {k: Graph(m, *inputs[k]) for k, m in modules.items()}
    with open(args.quality, encoding="utf8") as f:
        quality = json.load(f)
    with open(args.provenance, encoding="utf8") as f:
        provenance = json.load(f)
    with open(os.path.join(HERE, "CARD.f8-512.md"), encoding="utf8") as f:
        card = f.read()
    manifest = recipe.manifest("f8-512", args.version, load_checkpoint(args.audio)["normalisation"])
    manifest["diffusion"]["steps"]["default"] = args.steps
    provenance["parameters"] = {k: sum(p.numel() for p in m.parameters()) for k, m in modules.items()}
    written = write_bundle(args.out, manifest, graphs, provenance, quality, texts={"CARD.md": card}, halve=True)
    print(args.out, written["provenance"]["onnxMaxError"])


if __name__ == "__main__":
    main()
