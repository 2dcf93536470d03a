"""Encodes rendered clips once: latents, masked latents, audio features and visible landmarks, one file per person.

    python3 -m train.latents --clips .cache/clips --autoencoder .cache/autoencoder-final.pt --audio .cache/audio/encoder.pt --out .cache/latents

person-NNNNN.npz: z, masked float16 [n, 4, 32, 32], and other if the clip has it (heads.clips --pairs); marks float32 [n, 68, 2] in crop pixels; frames int32 [n];
features float16 [versions, N, 64] of every frame of the clip, clean first, then augmented; curves float16 [N, C].
"""
import argparse
import hashlib
import os

import numpy as np
import torch

import recipe
from audio.frontend import windows
from audio.model import load_checkpoint, load_encoder
from models.autoencoder import Encoder
from speech.augment import augment
from train.autoencoder import to_tensor
from train.clips import clip_paths, read_clip
from train.loop import TrainingError, autocast, device_of, load_weights, read_checkpoint

STRENGTHS = (0., .4, .8)


def fingerprint(path):
    """Of a model and the mask that latents were made with: latents of several must not be mixed."""
    with open(path, "rb") as f:
        return hashlib.sha256(f.read() + recipe.region_mask().tobytes()).hexdigest()[:16]


def earlier(path):
    """The arrays of an existing file, made_by as text; empty when there is none."""
    if not os.path.exists(path):
        return {}
    with np.load(path) as f:
        return {k: f[k] for k in f.files} | {"made_by": str(f["made_by"])}


def load_face_encoder(path, device):
    encoder = Encoder()
    load_weights(encoder, read_checkpoint(path)["average"]["encoder"], f"{path} (encoder)")
    return encoder.eval().to(device)


def encode(encoder, regions, device):
    """Latents and masked latents float16 [n, 4, 32, 32] of uint8 regions [n, 256, 256, 3]."""
    mask = torch.from_numpy(recipe.region_mask()).to(device)
    out = [], []
    with torch.no_grad():
        for k in range(0, len(regions), 8):
            x = to_tensor(regions[k:k + 8], device)
            hidden = torch.where(mask > 0, torch.full_like(x, recipe.MASK_FILL), x)
            with autocast(device):
                z = [encoder(x), encoder(hidden)]
            for store, value in zip(out, z):
                store.append(value.float().cpu().numpy().astype(np.float16))
    return [np.concatenate(o) for o in out]


def audio_features(encoder, wav, count, normalisation, device):
    """float16 [count, 64]."""
    mel = windows(wav, recipe.AUDIO, normalisation)[:count]
    if len(mel) < count:
        raise TrainingError(f"{len(mel)} audio windows for {count} video frames")
    with torch.no_grad():
        return encoder(torch.from_numpy(mel).to(device)).cpu().numpy().astype(np.float16)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--clips", required=True)
    ap.add_argument("--autoencoder", required=True)
    ap.add_argument("--audio", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--versions", type=int, default=len(STRENGTHS), help="1: clean audio only")
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    face, audio = load_face_encoder(args.autoencoder, device), load_encoder(args.audio).to(device)
    normalisation = load_checkpoint(args.audio)["normalisation"]
    made_by = fingerprint(args.autoencoder), fingerprint(args.audio)
    os.makedirs(args.out, exist_ok=True)
    for path in clip_paths(args.clips):
        out = os.path.join(args.out, os.path.basename(path))
        old = earlier(out)
        if old.get("made_by") == " ".join(made_by):
            continue
        clip = read_clip(path)
        if old.get("made_by", "").startswith(made_by[0]):  # only the audio encoder is new
            faces = {k: old[k] for k in ("z", "masked", "other") if k in old}
        else:
            z, masked = encode(face, clip["region"], device)
            faces = {"z": z, "masked": masked} | ({"other": encode(face, clip["other"], device)[0]} if "other" in clip else {})
        features = []
        for k, strength in enumerate(STRENGTHS[:args.versions]):
            g = np.random.default_rng((5, clip["meta"]["seed"], k))
            wav = augment(clip["wav"], g, strength) if strength else clip["wav"]
            features.append(audio_features(audio, wav, len(clip["curves"]), normalisation, device))
        with open(out + ".part", "wb") as f:
            np.savez(f, **faces, marks=clip["landmarks"], frames=clip["frames"], curves=clip["curves"],
                     features=np.stack(features), made_by=" ".join(made_by))
        os.replace(out + ".part", out)
    print(f"{args.out}: {len(clip_paths(args.clips))} people", flush=True)


if __name__ == "__main__":
    main()
