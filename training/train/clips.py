"""Reads the files of heads.clips."""
import glob
import json
import os

import numpy as np

from train.loop import TrainingError


def clip_paths(folder, limit=None):
    paths = sorted(glob.glob(os.path.join(folder, "person-*.npz")))[:limit]
    if not paths:
        raise TrainingError(f"no clips in {folder}: render them with python3 -m heads.clips --out {folder} --last N")
    return paths


def regions(folder, limit=None, every=1):
    """All rendered regions of a folder: uint8 [n, 256, 256, 3]."""
    return np.concatenate([np.load(p)["region"][::every] for p in clip_paths(folder, limit)])


def read_clip(path):
    """The arrays of one file and its meta as a dict."""
    with np.load(path) as z:
        clip = {k: z[k] for k in z.files}
    clip["meta"] = json.loads(str(clip["meta"]))
    return clip
