"""Measures a denoiser on held-out people, voices, sentences and skins, against two floors.

    python3 -m train.evaluate --clips .cache/test --latents .cache/latents-test --autoencoder .cache/autoencoder-final.pt \\
        --denoiser .cache/denoiser.pt --reader .cache/reader.pt --steps 1 2 4 --sheet sheet.png --json figures.json

Floors: the first frame's mouth pasted still, and another clip's audio. Lip aperture and mouth width are read from pixels
by train.reader, for the truth as well. Every figure is the mean over clips.
"""
import argparse
import glob
import json
import os

import cv2
import numpy as np
import torch

import recipe
from models.autoencoder import Decoder
from models.conditioner import Conditioner
from models.denoiser import Denoiser
from train.autoencoder import to_tensor
from train.clips import read_clip
from train.denoiser import AUDIO_WIDTH, Clips
from train.latents import load_face_encoder
from train.loop import device_of, load_weights, read_checkpoint
from train.reader import load_reader
from train.schedule import sample


def load_denoiser(path, device):
    """Denoiser and conditioner with the averaged weights of a checkpoint."""
    state = read_checkpoint(path)["average"]
    channels = (state["denoiser"]["inp.weight"].shape[0], state["denoiser"]["to2.weight"].shape[0], state["denoiser"]["to3.weight"].shape[0])
    net, conditioner = Denoiser(channels=channels), Conditioner(audio=AUDIO_WIDTH)
    load_weights(net, state["denoiser"], f"{path} (denoiser)")
    load_weights(conditioner, state["conditioner"], f"{path} (conditioner)")
    return net.eval().to(device), conditioner.eval().to(device)


def generate(models, clip, features, steps, device, progressive=False, seed=0, references=None):
    """uint8 regions [n, 256, 256, 3]: the generated mouth blended over the frames of the clip, as the product does.

    The reference is the clip's first frame, the frame made before (progressive), or one of `references` [n, 4, 32, 32].
    """
    encoder, decoder, net, conditioner = models
    blend = torch.from_numpy(recipe.region_mask(recipe.MASK_FEATHER_PX)).to(device)
    images, n = to_tensor(clip["region"], device), len(clip["frames"])
    masked, marks = (torch.from_numpy(clip[k].astype(np.float32)).to(device) for k in ("masked", "visible"))
    context = conditioner(torch.from_numpy(features).to(device), marks)
    noise = torch.randn((1, 4, 32, 32), generator=torch.Generator().manual_seed(seed)).to(device)
    reference = torch.from_numpy(clip["z"][:1].astype(np.float32)).to(device)
    out, size = [], 1 if progressive else 16
    for k in range(0, n, size):
        rows = slice(k, min(n, k + size))
        count = rows.stop - rows.start
        seen = reference.expand(count, -1, -1, -1) if references is None else references[rows]
        z = sample(lambda x, t: net(x, masked[rows], seen, t, context[rows]),
                   noise.expand(count, -1, -1, -1), steps)
        image = blend * decoder(z).clamp(-1, 1) + (1 - blend) * images[rows]
        if progressive:
            reference = encoder(image)
        out.append(((image + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out)


def psnr(a, b, mask):
    square = ((a.astype(np.float32) - b) ** 2)[:, mask > 0].mean((1, 2))
    return float(np.mean(10 * np.log10(255 ** 2 / np.maximum(square, 1e-3))))


def lag_of(a, b, reach=4):
    values = [np.corrcoef(np.roll(a, s)[reach:-reach], b[reach:-reach])[0, 1] for s in range(-reach, reach + 1)]
    return int(np.argmax(values)) - reach


def scores(read, made, truth, mask):
    m, t = read(made), read(truth)
    r = [float(np.corrcoef(m[:, i], t[:, i])[0, 1]) if m[:, i].std() > 1e-4 else 0.0 for i in (0, 1)]
    return {"apertureCorrelation": r[0], "widthCorrelation": r[1], "amplitudeRatio": float(m[:, 0].std() / t[:, 0].std()),
            "lagFrames": lag_of(m[:, 0], t[:, 0]) if m[:, 0].std() > 1e-4 else 0, "mouthPsnrDb": psnr(made, truth, mask),
            "apertureErrorPx": float(np.abs(m[:, 0] - t[:, 0]).mean() * 100)}


def contact_sheet(path, rows, columns=8):
    """Per clip: truth, hidden, generated, wrong audio, and twice the difference, at even places of the clip."""
    lines = []
    for truth, masked, own, wrong in rows:
        pick = np.linspace(0, len(truth) - 1, columns).astype(int)
        difference = np.clip(128 + 2 * (own.astype(np.int16) - truth), 0, 255).astype(np.uint8)
        lines += [np.hstack([x[k] for k in pick]) for x in (truth, masked, own, wrong, difference)]
    sheet = np.vstack(lines)[..., ::-1]
    cv2.imwrite(path, cv2.resize(sheet, None, fx=.6, fy=.6, interpolation=cv2.INTER_AREA))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("clips", "latents", "autoencoder", "denoiser", "reader"):
        ap.add_argument("--" + name, required=True)
    ap.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4])
    ap.add_argument("--people", type=int, default=None)
    ap.add_argument("--progressive", action="store_true")
    ap.add_argument("--sheet")
    ap.add_argument("--json")
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    encoder = load_face_encoder(args.autoencoder, device)
    decoder = Decoder().to(device)
    load_weights(decoder, read_checkpoint(args.autoencoder)["average"]["decoder"], args.autoencoder)
    models = (encoder, decoder.eval(), *load_denoiser(args.denoiser, device))
    reader, mask = load_reader(args.reader, device), recipe.region_mask()
    encoded = Clips([args.latents], args.people)
    paths = sorted(glob.glob(os.path.join(args.clips, "person-*.npz")))[:args.people]
    clips = []
    for path, part in zip(paths, encoded.people):
        clip = {**part, "region": read_clip(path)["region"]}
        clip["windows"] = np.stack([encoded.window(clip, k, 0) for k in range(len(clip["frames"]))])
        clips.append(clip)

    def read(images):
        with torch.no_grad():
            return np.concatenate([reader(to_tensor(images[k:k + 32], device)).cpu().numpy() for k in range(0, len(images), 32)])

    table, sheet = {}, []
    with torch.no_grad():
        for n, clip in enumerate(clips):
            truth, other = clip["region"], clips[n - 1]["windows"]
            other = other[np.arange(len(truth)) % len(other)]
            blend = recipe.region_mask(recipe.MASK_FEATHER_PX)[..., None]
            still = (truth[:1] * blend + truth * (1 - blend)).round().astype(np.uint8)
            rows = {"stillMouth": still}
            for s in args.steps:
                rows[f"steps{s}"] = generate(models, clip, clip["windows"], s, device)
            rows["wrongAudio"] = generate(models, clip, other, args.steps[0], device)
            if "other" in clip:  # the frame's own pose with another mouth, as when a source video is its own reference
                other = torch.from_numpy(clip["other"].astype(np.float32)).to(device)
                for s in args.steps:
                    rows[f"source{s}"] = generate(models, clip, clip["windows"], s, device, references=other)
            if args.progressive:
                rows["progressive"] = generate(models, clip, clip["windows"], args.steps[0], device, progressive=True)
            for key, made in rows.items():
                table.setdefault(key, []).append(scores(read, made, truth, mask))
            if args.sheet and n < 4:
                hidden = np.where(mask[..., None] > 0, 0, truth).astype(np.uint8)
                best = rows.get(f"source{args.steps[0]}", rows[f"steps{args.steps[0]}"])
                sheet.append((truth, hidden, best, rows["wrongAudio"]))
            print(n, {k: round(v[-1]["apertureCorrelation"], 3) for k, v in table.items()}, flush=True)
    figures = {k: {m: round(float(np.mean([r[m] for r in v])), 3) for m in v[0]} for k, v in table.items()}
    for key, value in figures.items():
        print(key, value)
    if args.sheet:
        contact_sheet(args.sheet, sheet)
    if args.json:
        with open(args.json, "w", encoding="utf8") as f:
            json.dump(figures, f, indent=1)


if __name__ == "__main__":
    main()
