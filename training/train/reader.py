"""A small network that reads lip aperture and mouth width from pixels, to measure generated mouths.

    python3 -m train.reader --clips .cache/clips --test .cache/test --out .cache/reader.pt --seconds 150

Aperture (points 62 to 66) and width (48 to 54) in crop pixels over 100, from the mouth's part of the region.
"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from train.autoencoder import to_tensor
from train.clips import clip_paths, read_clip
from train.loop import device_of, load_weights, read_checkpoint, train

# Rows and columns of the region that hold the mouth.
ROWS, COLUMNS, SIDE = slice(44, 188), slice(56, 200), 48


class Reader(nn.Module):
    """images [B, 3, 256, 256] in [-1, 1] to [B, 2]: aperture, width."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 3, 1, 1), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), nn.Conv2d(48, 64, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(.2), nn.Linear(64 * 36, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, images):
        x = F.interpolate(images[:, :, ROWS, COLUMNS], size=(SIDE, SIDE), mode="area")
        return self.body((x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + .05))


def truth(marks):
    """[n, 2] of landmarks [n, 68, 2] in crop pixels."""
    return np.stack([np.linalg.norm(marks[:, 62] - marks[:, 66], axis=1), np.linalg.norm(marks[:, 48] - marks[:, 54], axis=1)], 1) / 100


def load_reader(path, device):
    net = Reader()
    load_weights(net, read_checkpoint(path)["average"]["reader"], path)
    return net.eval().to(device)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--clips", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seconds", type=float, default=150)
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)

    def load(folder, every):
        clips = [read_clip(p) for p in clip_paths(folder)]
        return np.concatenate([c["region"][::every] for c in clips]), np.concatenate([truth(c["landmarks"])[::every] for c in clips])

    (images, wanted), (held, held_truth) = load(args.clips, 1), load(args.test, 3)
    net = Reader().to(device)

    def loss_of(step, g):
        k = g.integers(len(images), size=32)
        x = to_tensor(images[k], device)
        x = torch.roll(x, (int(g.integers(-4, 5)), int(g.integers(-4, 5))), (2, 3))
        x = x * float(np.exp(g.normal(0, .15))) + float(g.normal(0, .05)) + float(g.uniform(0, .08)) * torch.randn_like(x)
        if g.random() < .5:  # generated mouths are soft
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return F.smooth_l1_loss(net(x), torch.tensor(wanted[k], dtype=torch.float32, device=device), beta=.02) * 10

    def report(step):
        got = np.concatenate([net(to_tensor(held[k:k + 32], device)).cpu().numpy() for k in range(0, len(held), 32)])
        r = [np.corrcoef(got[:, i], held_truth[:, i])[0, 1] for i in (0, 1)]
        return f"correlation with truth on held-out people: aperture {r[0]:.3f}, width {r[1]:.3f}"

    train(args.out, {"reader": net}, loss_of, args.seconds, rate=1e-3, report=report, average=.99, weight_decay=1e-2)


if __name__ == "__main__":
    main()
