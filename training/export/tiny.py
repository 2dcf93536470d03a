"""Writes the small, untrained bundle of the tests.

    python3 -m export.tiny --out ../test/bundles/tiny

The manifest has the geometry of f8-512. The detector returns one centred box and the landmark graph the mean face, so
that the whole pipeline runs; the autoencoder is block averages; the denoiser stays close to its reference.
"""
import argparse

import numpy as np
import torch

import recipe
from export.bundle import Graph, graph_inputs, write_bundle
from heads.mean_face import MEAN_FACE
from models.audio_features import AudioFeatures
from models.conditioner import Conditioner
from models.tiny import CentredBox, MeanFace, NearReferenceDenoiser, PoolDecoder, PoolEncoder

SEED = 7
# Bounds of the 68 points of a centred talking head in a 192-pixel letterboxed image.
BOX = [52.0, 44.0, 140.0, 148.0]


def mean_face_in_square():
    """The mean face placed as the recipe crops a face box: the square of squareScale times its longer side."""
    p = np.array(MEAN_FACE)
    lo, hi = p.min(0), p.max(0)
    side = (hi - lo).max() * recipe.LANDMARK_SQUARE_SCALE
    return ((p - (lo + hi) / 2) / side + 0.5).tolist()


def tiny_modules():
    torch.manual_seed(SEED)
    return {
        "audio_features": AudioFeatures(recipe.CONTEXT_FRAMES, recipe.BANDS, recipe.FEATURES, width=8),
        "conditioner": Conditioner(recipe.WINDOW, recipe.WINDOW_LEFT, recipe.FEATURES, len(recipe.VISIBLE),
                                   audio=16, points=16, hidden=16),
        "face_encoder": PoolEncoder(),
        "denoiser": NearReferenceDenoiser(context=32),
        "face_decoder": PoolDecoder(),
        "face_detector": CentredBox(BOX),
        "face_landmarks": MeanFace(mean_face_in_square()),
    }


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    inputs = graph_inputs(context=(1, 32))
    graphs = {k: Graph(m, *inputs[k]) for k, m in tiny_modules().items()}
    prior = {"kind": "running-mean", "prior": [-6.0] * recipe.BANDS, "priorFrames": 100, "maxFrames": 400,
             "scale": [3.0] * recipe.BANDS}
    manifest = write_bundle(args.out, recipe.manifest("tiny", "1", prior), graphs, {
        "trainedOn": "nothing: random weights for tests. face_detector gives one fixed box, face_landmarks the mean face, "
                     "face_encoder and face_decoder are block averages, denoiser stays near its reference",
        "seconds": 0, "device": "none", "seed": SEED, "command": "python3 -m export.tiny --out ../test/bundles/tiny",
    }, {})
    print(args.out, manifest["provenance"]["onnxMaxError"])


if __name__ == "__main__":
    main()
