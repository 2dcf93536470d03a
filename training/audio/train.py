"""Trains the audio encoder on the shards of audio.corpus: python3 -m audio.train --clips 1200 --steps 2000 --out X.pt

The head learns every mouth curve, and inner-lip aperture and mouth width of the same frame, from the 64 features. Two
losses: squared error over the targets' spread, and 1 - correlation per clip of aperture and width, which asks for the
shape of the motion and leaves its size to the person.
"""
import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

import recipe
from audio import corpus
from audio.evaluate import predictor, read_real, real_scores
from audio.model import CROP, RECEPTIVE_FIELD, STRIDE, TARGETS, Trained
from speech.visemes import lip_geometry

CONTEXT = recipe.AUDIO["contextFrames"]
FIRST_CENTRE = 2  # log-mel frame of video frame 0's middle
LOG_FLOOR = np.log(recipe.AUDIO["logFloor"])
UPDATE_ABOVE, PRIOR_FRAMES, MAX_FRAMES = -10.5, 1200, 6000
CUT = 125  # video frames of a training sequence


def targets_of(curves):
    aperture, width = lip_geometry(curves)
    return np.concatenate([curves, aperture[:, None], width[:, None]], 1).astype(np.float32)


def fit_normalisation(clips, max_frames=MAX_FRAMES, prior_frames=PRIOR_FRAMES):
    """prior: mean over active frames; scale: their deviation around their own clip's mean."""
    total, square, count, square_count = 0., 0., 0, 0
    for mels, *_ in clips:
        for mel in mels.astype(np.float64):
            active = mel[mel.mean(1) > UPDATE_ABOVE]
            total, count = total + active.sum(0), count + len(active)
            square = square + ((active - active.mean(0)) ** 2).sum(0)
    return {"kind": "running-mean", "prior": np.round(total / count, 4).tolist(),
            "scale": np.round(np.sqrt(square / count), 4).tolist(), "priorFrames": prior_frames,
            "maxFrames": max_frames, "updateAbove": UPDATE_ABOVE}


def normalise_all(clips, normalisation):
    """frontend.normalise for all clips at once: list of [versions, CONTEXT / 2 + frames, bands] float32."""
    prior, scale = (np.array(normalisation[k], np.float32) for k in ("prior", "scale"))
    versions = [mel for mels, *_ in clips for mel in mels]
    longest = max(len(mel) for mel in versions)
    x = np.zeros((longest, len(versions), len(prior)), np.float16)
    for k, mel in enumerate(versions):
        x[:len(mel), k] = mel
    mean = np.tile(prior, (len(versions), 1))
    count = np.zeros(len(versions), np.float32)
    out = np.empty_like(x)
    for i in range(longest):
        row = x[i].astype(np.float32)
        active = row.mean(1) > normalisation["updateAbove"]
        count += active
        step = active / np.minimum(count + normalisation["priorFrames"], normalisation["maxFrames"])
        mean += (row - mean) * step[:, None]
        out[i] = (row - mean) / scale
    before = np.tile(((LOG_FLOOR - prior) / scale).astype(np.float16), (CONTEXT // 2, 1))
    result, k = [], 0
    for mels, *_ in clips:
        result.append([np.concatenate([before, out[:mels.shape[1], k + v]]) for v in range(len(mels))])
        k += len(mels)
    return result


def cut_sequence(mel, first, count):
    """Log-mel of video frames first .. first + count - 1, as Encoder.sequence reads it."""
    lo = FIRST_CENTRE + STRIDE * first + CROP  # window of frame i starts at c - 32, and 32 frames are put before
    return mel[lo:lo + RECEPTIVE_FIELD + STRIDE * (count - 1)]


def disturb(mel, g, noise):
    """Cheap variety on normalised log-mel [B, T, bands]: level, tilt, band shift (vocal tract), masked bands and times."""
    b, t, bands = mel.shape
    mel = mel + torch.from_numpy(g.normal(0, .15, (b, 1, 1))).float()
    knots = torch.from_numpy(g.normal(0, .15, (b, 1, 6))).float()
    mel = mel + torch.nn.functional.interpolate(knots, bands, mode="linear", align_corners=True)
    shift = g.normal(0, 1.2, b)
    at = np.clip(np.arange(bands)[None] + shift[:, None] * (.3 + .7 * np.arange(bands)[None] / bands), 0, bands - 1.001)
    low, part = at.astype(np.int64), (at - np.floor(at)).astype(np.float32)
    index = torch.from_numpy(low)[:, None].expand(b, t, bands)
    part = torch.from_numpy(part)[:, None]
    mel = torch.gather(mel, 2, index) * (1 - part) + torch.gather(mel, 2, index + 1) * part
    for k in range(b):
        if g.random() < .4:
            lo, n = g.integers(0, bands - 8), g.integers(2, 10)
            mel[k, :, lo:lo + n] = mel[k, :, lo:lo + n].mean()
    return mel + torch.randn_like(mel) * noise


def batch_of(data, targets, g, size, count, versions):
    mels, wanted = [], []
    while len(mels) < size:
        k = int(g.integers(len(data)))
        n = len(targets[k])
        if n < count:
            continue
        first = int(g.integers(0, n - count + 1))
        mels.append(cut_sequence(data[k][int(g.choice(versions))], first, count))
        wanted.append(targets[k][first:first + count])
    return torch.from_numpy(np.stack(mels)).float(), torch.from_numpy(np.stack(wanted))


def correlation_loss(prediction, truth):
    a, b = prediction - prediction.mean(1, keepdim=True), truth - truth.mean(1, keepdim=True)
    return (1 - (a * b).sum(1) / torch.sqrt((a * a).sum(1) * (b * b).sum(1) + 1e-3)).mean()


def score(net, data, clips, targets, version):
    """{engine or voice: mean over clips of the correlation with aperture, width}."""
    rows, names = {}, ("aperture", "width")
    net.eval()
    with torch.no_grad():
        for mels, (_, _, engine, voice), truth in zip(data, clips, targets):
            mel = torch.from_numpy(cut_sequence(mels[version], 0, len(truth))).float()[None]
            out = net.head(net.encoder.sequence(mel))[0].numpy()
            r = [np.corrcoef(out[:, TARGETS.index(n)], truth[:, TARGETS.index(n)])[0, 1] for n in names]
            for key in ("all", engine if engine == "espeak" else voice):
                rows.setdefault(key, []).append(r)
    return {key: [round(float(v), 3) for v in np.mean(value, 0)] for key, value in sorted(rows.items())}


def held_out(net, normalisation):
    """Scores on the two held-out splits, clean and strongly augmented, against mouths of the default style."""
    figures = {}
    for split in ("test", "engine-heldout"):
        clips = corpus.load(split, 0, corpus.SHARD, plain=True)
        data, targets = normalise_all(clips, normalisation), [targets_of(c[1]) for c in clips]
        figures[split] = score(net, data, clips, targets, 0)
        figures[split + " augmented"] = score(net, data, clips, targets, 1)["all"]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1200)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=.15)
    parser.add_argument("--norm", choices=("batch", "layer"), default="layer")
    parser.add_argument("--noise", type=float, default=.2, help="deviation of the noise added to normalised log-mel")
    parser.add_argument("--correlation-weight", type=float, default=1.)
    parser.add_argument("--max-frames", type=int, default=MAX_FRAMES)
    parser.add_argument("--prior-frames", type=int, default=PRIOR_FRAMES)
    parser.add_argument("--versions", type=int, nargs="+", default=[0, 1, 1, 2], help="which augmentations, how often")
    parser.add_argument("--real", help="folder of real clips, scored at the end")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    g = np.random.default_rng(args.seed)
    clips = corpus.load("train", 0, args.clips)
    normalisation = fit_normalisation(clips, args.max_frames, args.prior_frames)
    data, targets = normalise_all(clips, normalisation), [targets_of(c[1]) for c in clips]
    everything = np.concatenate(targets)
    mean, scale = everything.mean(0), everything.std(0) + .01
    minutes = len(everything) / 25 / 60
    print(f"{len(clips)} clips, {minutes:.0f} min", flush=True)

    weights = torch.tensor([{"aperture": 3., "width": 3.}.get(n, .3 if n.startswith("tongue") else 1.) for n in TARGETS])
    weights = weights / weights.sum()
    mean_t, scale_t = torch.from_numpy(mean), torch.from_numpy(scale)
    net = Trained(args.width, args.dropout, args.norm)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    pair = [TARGETS.index("aperture"), TARGETS.index("width")]
    start, running = time.process_time(), None
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * (.5 + .5 * np.cos(np.pi * step / args.steps)) + 1e-5
        net.train()
        mel, wanted = batch_of(data, targets, g, 16, CUT, args.versions)
        wanted = (wanted - mean_t) / scale_t
        out = net.head(net.encoder.sequence(disturb(mel, g, args.noise)))
        loss = (((out - wanted) ** 2).mean((0, 1)) * weights).sum()
        loss = loss + args.correlation_weight * correlation_loss(out[..., pair], wanted[..., pair])
        if not torch.isfinite(loss):
            raise SystemExit(f"loss is {loss.item()} at step {step}: nothing was written")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.)
        optimiser.step()
        running = loss.item() if running is None else .98 * running + .02 * loss.item()
        if (step + 1) % 250 == 0:
            print(f"step {step + 1} {time.process_time() - start:.0f} CPU s loss {running:.4f}", flush=True)
            if args.real:
                real = real_scores(predictor(net.eval(), normalisation), read_real(args.real))
                print(f"  real aperture {real['aperture']:.3f} width {real['width']:.3f} lag {real['lagFrames']}", flush=True)

    figures = {"minutes": round(minutes, 1), "cpuSeconds": round(time.process_time() - start), "steps": args.steps,
               "seed": args.seed, **held_out(net, normalisation)}
    if args.real:
        figures["real"] = real_scores(predictor(net.eval(), normalisation), read_real(args.real))
    for key, value in figures.items():
        print(key, value, flush=True)
    torch.save({"model": net.state_dict(), "width": args.width, "norm": args.norm, "members": 1, "targets": TARGETS, "normalisation": normalisation,
                "targetMean": mean_t, "targetScale": scale_t, "figures": figures}, args.out + ".part")
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
