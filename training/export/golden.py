"""Golden numbers of the diffusion schedule and the DDIM sampler for other implementations.

    python3 -m export.golden --out ../test/golden/diffusion-schedule.json

Computed with numpy in float64 from the formulas, apart from train.schedule (which is then compared with them):
  betas        squares of linspace(sqrt(0.0015), sqrt(0.0195), 1000)          latent diffusion (CompVis), "scaled-linear"
  alphas       cumulative product of 1 - beta                                  Ho et al., NeurIPS 2020
  timesteps    trailing: round(1000 - k * 1000 / S) - 1                        Lin et al., WACV 2024, table 2
               leading-plus-one: range(0, 1000, floor(1000 / S)) + 1           the released DiffTalk code
  step         x_prev = sqrt(a_prev) x0 + sqrt(1 - a_prev) eps, eta 0          Song et al., ICLR 2021, equation 12
  epsilon      eps = (x - sqrt(a) x0) / sqrt(1 - a)
  v            v = sqrt(a) eps - sqrt(1 - a) x0                                Salimans and Ho, ICLR 2022

The toy model predicts x0 = tanh(0.5 x + 0.25 masked - 0.125 reference + t / 1000), elementwise.
"""
import argparse
import json
import os

import numpy as np
import torch

from train import schedule

TIMESTEPS = 1000


def trailing(steps):
    return [int(np.round(TIMESTEPS - k * TIMESTEPS / steps)) - 1 for k in range(steps)]


def leading_plus_one(steps):
    return [t + 1 for t in range(0, TIMESTEPS, TIMESTEPS // steps)][::-1]


def toy(x, t, masked, reference):
    return np.tanh(.5 * x + .25 * masked - .125 * reference + t / 1000)


def trajectory(alphas, times, x, masked, reference, last_alpha):
    rows = []
    for k, t in enumerate(times):
        a, b = alphas[t], alphas[times[k + 1]] if k + 1 < len(times) else last_alpha
        x0 = toy(x, t, masked, reference)
        eps = (x - np.sqrt(a) * x0) / np.sqrt(1 - a)
        v = np.sqrt(a) * eps - np.sqrt(1 - a) * x0
        after = np.sqrt(b) * x0 + np.sqrt(1 - b) * eps
        rows.append({"timestep": t, "alphaCumprod": a, "alphaCumprodPrevious": b, "x": x.tolist(), "x0": x0.tolist(),
                     "epsilon": eps.tolist(), "v": v.tolist(), "xPrevious": after.tolist()})
        x = after
    return rows


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    betas = np.linspace(np.sqrt(.0015), np.sqrt(.0195), TIMESTEPS) ** 2
    alphas = np.cumprod(1 - betas)
    g = np.random.default_rng(20)
    x, masked, reference = np.round(g.standard_normal((3, 12)), 6)
    if not np.allclose(alphas, schedule.alphas_cumprod().numpy(), atol=1e-6):
        raise SystemExit("train.schedule disagrees on alphas")
    steps = (1, 2, 4, 50)
    for s in steps:
        if trailing(s) != schedule.trailing_timesteps(s):
            raise SystemExit(f"train.schedule disagrees on the timesteps of {s} steps")
    rows = trajectory(alphas, trailing(4), x, masked, reference, 1.0)
    other = schedule.sample(lambda z, t: torch.from_numpy(toy(z.numpy()[0], int(t[0]), masked, reference))[None],
                            torch.from_numpy(x)[None], 4)
    if not np.allclose(other[0].numpy(), rows[-1]["xPrevious"], atol=1e-9):
        raise SystemExit("train.schedule disagrees on the trajectory")
    probe = [0, 1, 249, 250, 496, 499, 500, 749, 996, 998, 999]
    golden = {
        "source": __doc__.strip().splitlines(),
        "schedule": {"betaSchedule": "scaled-linear", "betaStart": .0015, "betaEnd": .0195, "trainTimesteps": TIMESTEPS,
                     "betas": {str(t): betas[t] for t in probe}, "alphasCumprod": {str(t): alphas[t] for t in probe}},
        "timesteps": {"trailing": {str(s): trailing(s) for s in steps},
                      "leading-plus-one": {str(s): leading_plus_one(s) for s in (1, 2, 4, 50, 200)}},
        "trajectory": {
            "model": "x0 = tanh(0.5 * x + 0.25 * masked - 0.125 * reference + t / 1000)",
            "noise": x.tolist(), "masked": masked.tolist(), "reference": reference.tolist(),
            "trailing4FinalOne": rows,
            "trailing2FinalOne": trajectory(alphas, trailing(2), x, masked, reference, 1.0),
            "leadingPlusOne4FinalFirst": trajectory(alphas, leading_plus_one(4), x, masked, reference, float(alphas[0])),
        },
    }
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    with open(args.out, "w", encoding="utf8") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
