"""Puts several trained encoders side by side in one network: python3 -m audio.merge A.pt B.pt --out encoder.pt

A long training reads synthetic voices best, a short and noisy one real voices; together they read both. Features are the
64 directions of the joined features that carry every member's mouth curves first and the most variance next, each scaled
to unit variance on training speech. The head is the mean of the members' heads.
"""
import argparse
import os

import numpy as np
import torch

from audio import corpus
from audio.evaluate import predictor, read_real, real_scores
from audio.model import FEATURES, TARGETS, Trained, load_trained
from audio.train import cut_sequence, held_out, normalise_all

_CLIPS = 100  # training clips that measure the features' variance
_VARIANCE_WEIGHT = .01  # of variance against the heads, whose rows come first


def merge(nets, checkpoints, clips):
    first = checkpoints[0]
    for other in checkpoints[1:]:
        for key in ("normalisation", "width", "norm"):
            if other[key] != first[key]:
                raise SystemExit(f"the encoders differ in {key}: train them with the same corpus and flags")
    data = normalise_all(clips, first["normalisation"])
    with torch.no_grad():
        joined = torch.cat([torch.cat([net.encoder.sequence(torch.from_numpy(cut_sequence(mels[0], 0, len(clip[1]))).float()[None])[0]
                                       for net in nets], 1) for mels, clip in zip(data, clips)]).double().numpy()
    mean, covariance = joined.mean(0), np.cov(joined.T)
    heads = torch.block_diag(*(net.head.weight for net in nets)).detach().double().numpy()
    values, vectors = np.linalg.eigh(covariance)
    spread = vectors * np.sqrt(np.maximum(values, 0))
    # Directions in the whitened sense: what a unit of each contributes to the heads, and to the variance.
    rows = np.concatenate([heads, _VARIANCE_WEIGHT * spread.T])
    basis = np.linalg.svd(rows)[2][:FEATURES]
    scale = np.sqrt(np.einsum("ij,jk,ik->i", basis, covariance, basis)) + 1e-6
    net = Trained(first["width"], norm=first["norm"], members=len(nets))
    for member, source in zip(net.encoder.members, nets):
        member.load_state_dict(source.encoder.state_dict())
    out = np.concatenate([n.head.weight.detach().double().numpy() for n in nets], 1) / len(nets)
    bias = np.mean([n.head.bias.detach().double().numpy() for n in nets], 0)
    with torch.no_grad():
        net.encoder.project.weight.copy_(torch.from_numpy(basis / scale[:, None]))
        net.encoder.project.bias.copy_(torch.from_numpy(-basis @ mean / scale))
        net.head.weight.copy_(torch.from_numpy(out @ basis.T * scale))
        net.head.bias.copy_(torch.from_numpy(bias + out @ basis.T @ basis @ mean))
    return net.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--real", help="folder of real clips, scored at the end")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if len(args.checkpoints) * len(TARGETS) > FEATURES or len(args.checkpoints) < 2:
        raise SystemExit(f"2 encoders at most: {FEATURES} features hold the {len(TARGETS)} curves of each")
    torch.set_num_threads(1)
    nets, checkpoints = zip(*(load_trained(path) for path in args.checkpoints))
    net = merge(nets, checkpoints, corpus.load("train", 0, _CLIPS))
    first = checkpoints[0]
    figures = {"members": [c["figures"]["steps"] for c in checkpoints], **held_out(net, first["normalisation"])}
    if args.real:
        figures["real"] = real_scores(predictor(net, first["normalisation"]), read_real(args.real))
    for key, value in figures.items():
        print(key, value, flush=True)
    torch.save({**first, "model": net.state_dict(), "members": len(nets), "figures": figures,
                "targetMean": torch.as_tensor(first["targetMean"]), "targetScale": torch.as_tensor(first["targetScale"])},
               args.out + ".part")
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
