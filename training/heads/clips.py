"""Renders talking people for the autoencoder and the denoiser: one file per person.

    python3 -m heads.clips --out .cache/clips --first 0 --last 300 [--split train] [--step 4] [--seconds 6] [--worker 0/2]

person-NNNNN.npz: region uint8 [n, 256, 256, 3] RGB, the generated rectangle of the crop; landmarks float32 [n, 68, 2] in
crop pixels; frames int32 [n], which frames of the clip; curves float16 [N, C] of all its frames (speech.visemes.CHANNELS);
wav float32 [samples], 16 kHz; meta, a JSON text. Existing files are kept, so an interrupted run goes on where it stopped.
"""
import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np

from heads import assets
from heads.camera import Camera
from heads.motion import head_motion, upper_face
from heads.person import Person
from heads.render import View, landmarks, render
import recipe
from speech.clip import make_clip

SPLIT_KEY = {"train": 1, "test": 2}


def clip_weights(clip, upper, i):
    """All expression weights of frame i: the mouth of the clip, lids and brows, cheeks that follow a smile."""
    w = {name: float(clip["curves"][i, k]) for k, name in enumerate(clip["channels"])}
    w |= {name: float(curve[i]) for name, curve in upper.items()}
    for s in "LR":
        w["cheekSquint_" + s] = .6 * w["mouthSmile_" + s]
    return w


def render_clip(pack, seed, split, step, seconds):
    """One person speaking one clip: the arrays of the file."""
    g = np.random.default_rng((9, SPLIT_KEY[split], seed))
    clip = make_clip(seed, split, seconds)
    n = len(clip["curves"]) if split == "train" else min(len(clip["curves"]), int(seconds * recipe.FPS))
    p, camera = Person(pack, seed, split), Camera(g)
    rpy, shift = head_motion(n, recipe.FPS, g)
    upper = upper_face(n, recipe.FPS, g)
    # A detector's crop is not exact: an offset for the clip and a tremble per frame.
    offset, turn, size = g.normal(0, 2.5, 2), g.normal(0, .012), np.exp(g.normal(0, .015))
    rows = {"region": [], "landmarks": [], "frames": []}
    for i in range(int(g.integers(step)), n, step):
        w = clip_weights(clip, upper, i)
        m = recipe.crop_transform(landmarks(p, w, rpy[i], shift[i]))
        c, s = size * np.cos(turn), size * np.sin(turn)
        jitter = np.array([[c, -s], [s, c]])
        centre = np.array([256., 256.])
        m = np.concatenate([jitter @ m[:, :2], (jitter @ (m[:, 2] - centre) + centre + offset + g.normal(0, .5, 2))[:, None]], 1)
        view = View(recipe.REGION["width"], recipe.REGION["height"], m - [[0, 0, recipe.REGION["x"]], [0, 0, recipe.REGION["y"]]])
        img, marks, _ = render(p, w, rpy[i], shift[i], view)
        rows["region"].append(camera.shoot(img, (seed, i)))
        rows["landmarks"].append(marks + [recipe.REGION["x"], recipe.REGION["y"]])
        rows["frames"].append(i)
    meta = {k: clip["meta"][k] for k in ("engine", "voice", "language", "text", "emotion", "intensity")}
    return {"region": np.array(rows["region"], np.uint8), "landmarks": np.array(rows["landmarks"], np.float32),
            "frames": np.array(rows["frames"], np.int32), "curves": clip["curves"].astype(np.float16),
            "wav": clip["wav"], "meta": json.dumps({"seed": seed, "split": split, **meta})}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--out", required=True)
    ap.add_argument("--first", type=int, default=0)
    ap.add_argument("--last", type=int, required=True, help="one past the last person")
    ap.add_argument("--split", choices=list(SPLIT_KEY), default="train")
    ap.add_argument("--step", type=int, default=4, help="render every step-th frame")
    ap.add_argument("--seconds", type=float, default=6)
    ap.add_argument("--worker", default="0/1", help="k/n: this process takes every n-th person, starting with the k-th")
    args = ap.parse_args()
    cv2.setNumThreads(1)
    pack = assets.load(args.assets)
    os.makedirs(args.out, exist_ok=True)
    k, n = map(int, args.worker.split("/"))
    for seed in range(args.first + k, args.last, n):
        path = os.path.join(args.out, f"person-{seed:05d}.npz")
        if os.path.exists(path):
            continue
        start = time.time()
        arrays = render_clip(pack, seed, args.split, args.step, args.seconds)
        with open(path + ".part", "wb") as f:
            np.savez(f, **arrays)
        os.replace(path + ".part", path)
        frames = len(arrays["frames"])
        print(f"{path}: {frames} frames, {1000 * (time.time() - start) / max(frames, 1):.0f} ms per frame", flush=True)


if __name__ == "__main__":
    main()
