"""Makes shards of log-mel and what was spoken when: python3 -m audio.corpus --split train --first 0 --count 1200 (in training/).

A shard holds 50 clips, each clean, mildly and strongly augmented. A finished shard is not made again, so an interrupted
run goes on where it stopped, and several processes may share the work (--part 0/2, --part 1/2). Mouth curves are made
when a shard is read, so that a change of visemes or styles needs no new sound.
"""
import argparse
import dataclasses
import json
import os
import time

import numpy as np

import recipe
from audio import frontend
from speech.augment import augment
from speech.clip import make_clip
from speech.curves import Style, mouth_curves

CACHE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".cache", "audio")
SHARD = 50
STRENGTHS = {"train": (0., .4, .8), "test": (0., .8), "engine-heldout": (0., .8)}
_AUGMENT_KEY = 77


def shard_path(split, first):
    return os.path.join(CACHE, f"{split}-{first:06d}.npz")


def clip_mels(wav, curves, seed, strengths):
    """Log-mel [versions, frames, bands] float16, long enough for the windows of every curve row."""
    count = frontend.centre(len(curves) - 1, recipe.AUDIO) + recipe.AUDIO["contextFrames"] // 2
    mels = []
    for k, strength in enumerate(strengths):
        sound = augment(wav, np.random.default_rng((_AUGMENT_KEY, seed, k)), strength) if strength else wav
        mels.append(frontend.log_mel(sound, recipe.AUDIO, count).astype(np.float16))
    return np.stack(mels)


def describe(meta):
    """What load() needs to draw the mouth again."""
    style = {**dataclasses.asdict(meta["style"]), "rest": meta["style"].rest.tolist()}
    return {**{key: meta[key] for key in ("engine", "voice", "segments", "loudness", "events", "seconds")}, "style": style}


def make_shard(split, first, count):
    mels, about = [], []
    for seed in range(first, first + count):
        clip = make_clip(seed, split)
        mels.append(clip_mels(clip["wav"], clip["curves"], seed, STRENGTHS[split]))
        about.append(json.dumps(describe(clip["meta"])))
    path = shard_path(split, first)
    with open(path + ".part", "wb") as file:
        np.savez(file, mels=np.concatenate(mels, 1), lengths=np.array([m.shape[1] for m in mels]), about=np.array(about))
    os.replace(path + ".part", path)


def load(split, first, count, plain=False):
    """Clips of the shards from seed `first`: list of (mels [versions, frames, bands], curves [n, C], engine, voice).

    plain: everybody speaks in the default style, so that the curves follow from the sound alone.
    """
    clips = []
    for start in range(first, first + count, SHARD):
        try:
            with np.load(shard_path(split, start)) as z:
                mels, lengths, about = z["mels"], z["lengths"], [json.loads(text) for text in z["about"]]
        except FileNotFoundError:
            raise SystemExit(f"no shard {shard_path(split, start)}: python3 -m audio.corpus --split {split} "
                             f"--first {first} --count {count}") from None
        for end, n, meta in zip(np.cumsum(lengths), lengths, about):
            style = Style() if plain else Style(**{**meta["style"], "rest": np.array(meta["style"]["rest"])})
            curves = mouth_curves(meta["segments"], meta["seconds"], style, meta["loudness"],
                                  () if plain else meta["events"])
            clips.append((mels[:, end - n:end], curves, meta["engine"], meta["voice"]))
    return clips


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="train", choices=tuple(STRENGTHS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1200, help=f"clips, a multiple of {SHARD}")
    parser.add_argument("--part", default="0/1", help="this process's share, as 0/2")
    args = parser.parse_args()
    if args.count % SHARD or args.first % SHARD:
        raise SystemExit(f"--first and --count must be multiples of {SHARD}")
    part, parts = map(int, args.part.split("/"))
    os.makedirs(CACHE, exist_ok=True)
    for k, first in enumerate(range(args.first, args.first + args.count, SHARD)):
        if k % parts != part or os.path.exists(shard_path(args.split, first)):
            continue
        start = time.time()
        make_shard(args.split, first, SHARD)
        print(f"{shard_path(args.split, first)} {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
