"""The mask invariant: can a network read mouth opening from what remains visible?

    python3 -m train.probe --clips .cache/clips2 --test .cache/test2 --out .cache/probe.pt --seconds 240 [--unmasked]

The input is the region with the mask filled, and the visible landmarks relative to each other; the target is lip aperture.
Reports the mean over held-out clips of the correlation within the clip (persons differ in their mean, and a face tells who
it is). Chance is the 95 % of |r| under circular shifts. --unmasked is the control: the same probe on the whole region.
"""
import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import recipe
from train.autoencoder import to_tensor
from train.clips import clip_paths, read_clip
from train.loop import device_of, train
from train.reader import truth


class Probe(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(), nn.Conv2d(48, 64, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 36, 64), nn.ReLU())
        self.points = nn.Sequential(nn.Linear(2 * len(recipe.VISIBLE), 64), nn.ReLU())
        self.head = nn.Linear(128, 1)

    def forward(self, images, marks):
        x = F.interpolate(images, size=(96, 96), mode="area")
        return self.head(torch.cat([self.body(x), self.points((marks - marks.mean(1, keepdim=True)).flatten(1) * 10)], 1))[:, 0]


def load(folder, every):
    out = []
    for path in clip_paths(folder):
        clip = read_clip(path)
        marks = clip["landmarks"][::every]
        out.append((clip["region"][::every], (marks[:, recipe.VISIBLE] / recipe.SIZE_PX).astype(np.float32), truth(marks)[:, 0].astype(np.float32)))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("clips", "test", "out"):
        ap.add_argument("--" + name, required=True)
    ap.add_argument("--seconds", type=float, default=240)
    ap.add_argument("--unmasked", action="store_true")
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    data, test = load(args.clips, 1), load(args.test, 2)
    images, marks, wanted = (np.concatenate(x) for x in zip(*data))
    # The target is the opening relative to the clip's mean: identity must not help.
    wanted = np.concatenate([c[2] - c[2].mean() for c in data])
    mask = torch.zeros(256, 256, device=device) if args.unmasked else torch.from_numpy(recipe.region_mask()).to(device)
    net, spread = Probe().to(device), float(wanted.std())

    def hidden(x):
        return torch.where(mask > 0, torch.full_like(x, recipe.MASK_FILL), x)

    def loss_of(step, g):
        k = g.integers(len(images), size=32)
        got = net(hidden(to_tensor(images[k], device)), torch.from_numpy(marks[k]).to(device))
        return F.mse_loss(got, torch.from_numpy(wanted[k]).to(device) / spread)

    def report(step):
        rows, chance = [], []
        for region, points, target in test:
            got = np.concatenate([net(hidden(to_tensor(region[k:k + 32], device)), torch.from_numpy(points[k:k + 32]).to(device)).cpu().numpy()
                                  for k in range(0, len(region), 32)])
            rows.append(np.corrcoef(got, target)[0, 1])
            chance += [abs(np.corrcoef(np.roll(got, s), target)[0, 1]) for s in range(8, len(got) - 8)]
        return f"correlation within held-out clips {np.mean(rows):.3f} (each {np.round(rows, 2)}), chance {np.quantile(chance, .95):.3f} for one clip"

    train(args.out, {"probe": net}, loss_of, args.seconds, rate=1e-3, report=report, average=.99, weight_decay=1e-2)


if __name__ == "__main__":
    main()
