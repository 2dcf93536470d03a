"""Trains the f = 8 autoencoder on rendered regions and on textures wider than faces.

    python3 -m train.autoencoder --clips .cache/clips --test .cache/test --out .cache/autoencoder.pt --seconds 1200

Writes .cache/autoencoder-final.pt, which train.latents and export.bundle read; --seconds 0 writes it from the checkpoint.

Loss: L1, L1 of differences at three scales, and a light pull of the latents to unit variance; noise on the latents
makes the decoder tolerate what the denoiser gets wrong. normalised() folds mean and deviation of face latents into the
first and last convolutions, so that latents of faces have mean 0 and variance 1 per channel.
"""
import argparse

import numpy as np
import torch
import torch.nn.functional as F

from heads import assets
from models.autoencoder import Decoder, Encoder
from train.clips import regions
from train.loop import autocast, device_of, save, train
from train.textures import texture_bank


def to_tensor(images, device):
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def random_crop(images, g, side):
    image = images[g.integers(len(images))]
    y, x = g.integers(0, image.shape[0] - side + 1), g.integers(0, image.shape[1] - side + 1)
    piece = image[y:y + side, x:x + side]
    return piece[:, ::-1] if g.random() < .5 else piece


def differences(a, b):
    """L1 of horizontal and vertical differences at full, half and quarter size."""
    total = 0.0
    for _ in range(3):
        total = total + (a.diff(dim=-1) - b.diff(dim=-1)).abs().mean() + (a.diff(dim=-2) - b.diff(dim=-2)).abs().mean()
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return total


def psnr(encoder, decoder, images, device, box=None):
    """PSNR in dB of the round trip of uint8 images [n, h, w, 3], inside box (y0, y1, x0, x1) if given."""
    square, count = 0.0, 0
    for k in range(0, len(images), 8):
        x = to_tensor(images[k:k + 8], device)
        y = decoder(encoder(x)).clamp(-1, 1)
        if box is not None:
            x, y = (z[:, :, box[0]:box[1], box[2]:box[3]] for z in (x, y))
        square, count = square + float(((x - y) ** 2).sum()), count + x.numel()
    return float(10 * np.log10(4 * count / square))


def normalised(encoder, decoder, images, device):
    """Folds the statistics of face latents into both ends; the round trip stays the same but for padding at the border."""
    with torch.no_grad():
        z = torch.cat([encoder(to_tensor(images[k:k + 8], device)) for k in range(0, len(images), 8)])
        mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
        encoder.out.weight /= std[:, None, None, None]
        encoder.out.bias.copy_((encoder.out.bias - mean) / std)
        decoder.inp.bias += (decoder.inp.weight * mean[None, :, None, None]).sum((1, 2, 3))
        decoder.inp.weight *= std[None, :, None, None]


def final_path(path):
    """Where the normalised weights of a run go."""
    return path.removesuffix(".pt") + "-final.pt"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--clips", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seconds", type=float, default=1200)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--people", type=int, default=None, help="use the first N people")
    ap.add_argument("--textures", type=int, default=240)
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    faces = regions(args.clips, args.people, every=3)
    test = regions(args.test, every=25)
    bank = texture_bank(assets.load(args.assets), args.textures)
    wide = texture_bank(assets.load(args.assets), 16, seed=1)
    wide = np.stack([w[:256, :256] for w in wide])
    print(f"{len(faces)} regions, {len(bank)} textures, {len(test)} test regions", flush=True)
    encoder, decoder = (m.to(device, memory_format=torch.channels_last) for m in (Encoder(), Decoder()))
    side = 128

    def loss_of(step, g):
        batch = [random_crop(faces if g.random() < .6 else bank, g, side) for _ in range(args.batch)]
        x = to_tensor(np.stack(batch), device)
        with autocast(device):
            z = encoder(x)
            y = decoder(z + .06 * torch.randn_like(z))
        y, z = y.float(), z.float()
        pull = (z.mean((0, 2, 3)) ** 2).mean() + (z.var((0, 2, 3)) - 1).abs().mean()
        return (y - x).abs().mean() + .5 * differences(y, x) + .01 * pull

    def report(step):
        return f"PSNR faces {psnr(encoder, decoder, test, device):.2f} dB, textures {psnr(encoder, decoder, wide, device):.2f} dB"

    modules = {"encoder": encoder, "decoder": decoder}
    average = train(args.out, modules, loss_of, args.seconds, rate=1.5e-3, report=report, average=.995)
    for name, module in modules.items():
        module.load_state_dict(average[name])
    normalised(encoder, decoder, faces[:: max(1, len(faces) // 200)], device)
    final = {"average": {n: m.state_dict() for n, m in modules.items()}}
    with torch.no_grad():
        final["psnr"] = {"faces": psnr(encoder, decoder, test, device), "textures": psnr(encoder, decoder, wide, device)}
    save(final_path(args.out), final)
    print(f"{final_path(args.out)}: {final['psnr']}", flush=True)


if __name__ == "__main__":
    main()
