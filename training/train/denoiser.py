"""Trains the DiffTalk denoiser and conditioner on encoded clips.

    python3 -m train.denoiser --latents .cache/latents --test .cache/latents-test --out .cache/denoiser.pt --seconds 3600

x0 prediction, L1 in latent space, more at the mouth. The reference is another frame of the same clip, or
the same pose with another mouth where clips have pairs (what progressive references and still pictures look like). One sample in ten
hears nothing (classifier-free dropout). The context's audio half also predicts the exact mouth curves, so that it keeps
what the audio encoder knows.
"""
import argparse
import glob
import os

import numpy as np
import torch
import torch.nn as nn

import recipe
from models.conditioner import Conditioner
from models.denoiser import Denoiser
from train.loop import TrainingError, autocast, device_of, train
from train.schedule import alphas_cumprod, noised

CELLS = recipe.REGION["width"] // recipe.DOWNSAMPLING
AUDIO_WIDTH = 128


def window_indices(frame, count):
    """Indices of the feature window of a frame and whether each lies inside the clip."""
    i = np.arange(frame - recipe.WINDOW_LEFT, frame + recipe.WINDOW_RIGHT + 1)
    return np.clip(i, 0, count - 1), (i >= 0) & (i < count)


def mouth_weights(marks):
    """Loss weights float32 [n, 32, 32]: 0.05 outside the mask, 1 inside, up to 6 at the mouth."""
    y, x = np.mgrid[0:CELLS, 0:CELLS] * recipe.DOWNSAMPLING + recipe.DOWNSAMPLING / 2
    mask = recipe.region_mask().reshape(CELLS, 8, CELLS, 8).mean((1, 3))
    q = marks - [recipe.REGION["x"], recipe.REGION["y"]]
    lo, hi = q[:, 48:68].min(1), q[:, 48:68].max(1)
    c, r = (lo + hi) / 2, (hi - lo) / 2 + [8, 10]
    d = ((x[None] - c[:, 0, None, None]) / r[:, 0, None, None]) ** 4 + ((y[None] - c[:, 1, None, None]) / r[:, 1, None, None]) ** 4
    return (.05 + .95 * mask * (1 + 5 * np.exp(-d))).astype(np.float32)


class Clips:
    """Encoded clips in memory."""

    def __init__(self, folders, limit=None):
        paths = [p for f in folders for p in sorted(glob.glob(os.path.join(f, "person-*.npz")))][:limit]
        if not paths:
            raise TrainingError(f"no encoded clips in {folders}: python3 -m train.latents --out ...")
        self.people, made_by = [], set()
        for path in paths:
            with np.load(path) as f:
                clip = {k: f[k] for k in f.files}
            made_by.add(str(clip.pop("made_by")))
            clip["weights"] = mouth_weights(clip["marks"]).astype(np.float16)
            clip["visible"] = (clip["marks"][:, recipe.VISIBLE] / recipe.SIZE_PX).astype(np.float32)
            self.people.append(clip)
        if len(made_by) > 1:
            raise TrainingError(f"{folders} mix latents of {len(made_by)} models: run train.latents again")
        self.count = sum(len(p["frames"]) for p in self.people)

    def window(self, clip, k, version):
        frame = int(clip["frames"][k])
        index, inside = window_indices(frame, clip["features"].shape[1])
        return clip["features"][version][index].astype(np.float32) * inside[:, None]

    def reference(self, clip, k, g):
        """Another frame, at least 8 frames away, because a near one would tell how the mouth stands. Half of the time the
        nearest pose of five, as progressive references have; else any."""
        far = np.flatnonzero(np.abs(clip["frames"] - clip["frames"][k]) >= 8)
        if not len(far):
            far = np.arange(len(clip["frames"]))
        pick = far[g.integers(len(far), size=5 if g.random() < .5 else 1)]
        away = np.abs(clip["visible"][pick] - clip["visible"][k]).sum((1, 2))
        return int(pick[np.argmin(away)])

    def batch(self, g, size, device, augment=True):
        rows = {k: [] for k in ("z", "masked", "reference", "features", "elsewhere", "landmarks", "weights", "curves")}
        for _ in range(size):
            clip = self.people[g.integers(len(self.people))]
            k = int(g.integers(len(clip["frames"])))
            if "other" in clip and g.random() < .6:
                reference = clip["other"][k]
            else:
                reference = clip["z"][self.reference(clip, k, g)]
            version = int(g.integers(len(clip["features"]))) if augment else 0
            rows["z"].append(clip["z"][k])
            rows["masked"].append(clip["masked"][k])
            rows["reference"].append(reference)
            rows["features"].append(self.window(clip, k, version))
            rows["elsewhere"].append(self.window(clip, int(g.integers(len(clip["frames"]))), version))
            rows["landmarks"].append(clip["visible"][k])
            rows["weights"].append(clip["weights"][k])
            rows["curves"].append(clip["curves"][clip["frames"][k]])
        out = {k: torch.from_numpy(np.stack(v).astype(np.float32)).to(device) for k, v in rows.items()}
        out["weights"] = out["weights"][:, None]
        return out


def l1(prediction, target, weights):
    return ((prediction - target).abs() * weights).sum() / (weights.sum() * target.shape[1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--latents", nargs="+", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seconds", type=float, default=3600)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--rate", type=float, default=1e-3)
    ap.add_argument("--channels", type=int, nargs=3, default=[48, 96, 128])
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    data, test = Clips(args.latents), Clips([args.test])
    curves = data.people[0]["curves"].shape[1]
    print(f"{len(data.people)} people, {data.count} frames; test {len(test.people)} people", flush=True)
    net = Denoiser(channels=tuple(args.channels)).to(device, memory_format=torch.channels_last)
    conditioner = Conditioner(audio=AUDIO_WIDTH).to(device)
    features = np.concatenate([p["features"][0].astype(np.float32) for p in data.people])
    conditioner.standardise(features.mean(0), features.std(0))
    ear = nn.Linear(AUDIO_WIDTH, curves).to(device)
    alphas = alphas_cumprod().to(device)
    held = test.batch(np.random.default_rng(3), 96, device, augment=False)

    cells = torch.from_numpy(recipe.region_mask().reshape(CELLS, 8, CELLS, 8).mean((1, 3)).astype(np.float32)).to(device)
    last = torch.full((args.batch,), 999, device=device)

    def own_reference(b, reference):
        """References as progressive mode has them: the network's own mouth, of another moment of the speech."""
        with torch.no_grad(), autocast(device):
            made = net(torch.randn_like(b["z"]), b["masked"], reference, last, conditioner(b["elsewhere"], b["landmarks"]))
        return cells * made.float() + (1 - cells) * reference

    def loss_of(step, g):
        b = data.batch(g, args.batch, device)
        deaf = torch.from_numpy(g.random(args.batch) < .1).to(device)
        heard = torch.where(deaf[:, None, None], torch.zeros_like(b["features"]), b["features"])
        marks = b["landmarks"] + .004 * torch.randn_like(b["landmarks"]) + .006 * torch.randn_like(b["landmarks"][:, :1])
        # Progressive references are the network's own output, encoded again: a little off.
        reference = b["reference"] + .08 * torch.rand(args.batch, 1, 1, 1, device=device) * torch.randn_like(b["reference"])
        if step % 3 == 0:
            reference = own_reference(b, reference)
        # Half the samples start from pure noise: the first step of any sampler, and the only one of one step.
        late = np.where(g.random(args.batch) < .5, 0, g.random(args.batch) ** 2)
        t = torch.from_numpy((999 * (1 - late)).round().astype(np.int64)).to(device)
        x = noised(b["z"], t, torch.randn_like(b["z"]), alphas)
        with autocast(device):
            context = conditioner(heard, marks)
            out = net(x, b["masked"], reference, t, context)
            told = ear(context[:, 0, :AUDIO_WIDTH])
        told = ((told.float() - b["curves"]) ** 2).mean(1)
        return l1(out.float(), b["z"], b["weights"]) + (told * ~deaf).mean() * 2

    def report(step):
        noise = torch.randn(held["z"].shape, generator=torch.Generator().manual_seed(0)).to(device)
        t = torch.full((len(noise),), 999, device=device)
        values = []
        for heard in (held["features"], held["features"].roll(7, 0)):
            out = net(noise, held["masked"], held["reference"], t, conditioner(heard, held["landmarks"]))
            values.append(float(l1(out, held["z"], (held["weights"] - 1).clamp(min=0))))
        return f"mouth L1 own {values[0]:.4f} wrong {values[1]:.4f}"

    train(args.out, {"denoiser": net, "conditioner": conditioner, "ear": ear}, loss_of, args.seconds, rate=args.rate,
          report=report, average=.998)


if __name__ == "__main__":
    main()
