"""Renders talking people for the autoencoder and the denoiser: one file per person.

    python3 -m heads.clips --out .cache/clips --first 0 --last 300 [--split train] [--step 4] [--seconds 6] [--worker 0/2]

person-NNNNN.npz: region uint8 [n, 256, 256, 3] RGB, the generated rectangle of the crop; with --pairs also other, the same
head pose with the mouth of another moment of the clip (what a reference of the frame before looks like); landmarks float32 [n, 68, 2] in
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


def away_from(i, n, g, least=8):
    """A random frame at least `least` frames from i, or any when the clip is too short."""
    far = [j for j in range(n) if abs(j - i) >= least]
    return int(g.choice(far)) if far else int(g.integers(n))


def render_clip(pack, seed, split, step, seconds, pairs=False):
    """One person speaking one clip: the arrays of the file."""
    g = np.random.default_rng((9, SPLIT_KEY[split], seed))
    clip = make_clip(seed, split, seconds)
    n = len(clip["curves"]) if split == "train" else min(len(clip["curves"]), int(seconds * recipe.FPS))
    p, camera = Person(pack, seed, split), Camera(g)
    rpy, shift = head_motion(n, recipe.FPS, g)
    upper = upper_face(n, recipe.FPS, g)
    # A detector's crop is not exact: an offset for the clip and a tremble per frame.
    offset, turn, size = g.normal(0, 2.5, 2), g.normal(0, .012), np.exp(g.normal(0, .015))
    rows = {"region": [], "landmarks": [], "frames": []} | ({"other": []} if pairs else {})

    def shoot(w, rpy, shift, frame_seed):
        m = recipe.crop_transform(landmarks(p, w, rpy, shift))
        c, s = size * np.cos(turn), size * np.sin(turn)
        jitter = np.array([[c, -s], [s, c]])
        centre = np.array([256., 256.])
        m = np.concatenate([jitter @ m[:, :2], (jitter @ (m[:, 2] - centre) + centre + offset + g.normal(0, .5, 2))[:, None]], 1)
        view = View(recipe.REGION["width"], recipe.REGION["height"], m - [[0, 0, recipe.REGION["x"]], [0, 0, recipe.REGION["y"]]])
        img, marks, _ = render(p, w, rpy, shift, view)
        return camera.shoot(img, (seed, frame_seed)), marks + [recipe.REGION["x"], recipe.REGION["y"]]

    for i in range(int(g.integers(step)), n, step):
        image, marks = shoot(clip_weights(clip, upper, i), rpy[i], shift[i], i)
        rows["region"].append(image)
        rows["landmarks"].append(marks)
        rows["frames"].append(i)
        if pairs:
            w = clip_weights(clip, upper, i) | dict(zip(clip["channels"], clip["curves"][away_from(i, n, g)].astype(float)))
            rows["other"].append(shoot(w, rpy[i] + g.normal(0, .012, 3), shift[i] + g.normal(0, .03, 3), n + i)[0])
    meta = {k: clip["meta"][k] for k in ("engine", "voice", "language", "text", "emotion", "intensity")}
    other = {"other": np.array(rows["other"], np.uint8)} if pairs else {}
    return {**other, "region": np.array(rows["region"], np.uint8), "landmarks": np.array(rows["landmarks"], np.float32),
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
    ap.add_argument("--pairs", action="store_true", help="render each pose a second time with another mouth")
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
        arrays = render_clip(pack, seed, args.split, args.step, args.seconds, args.pairs)
        with open(path + ".part", "wb") as f:
            np.savez(f, **arrays)
        os.replace(path + ".part", path)
        frames = len(arrays["frames"])
        print(f"{path}: {frames} frames, {1000 * (time.time() - start) / max(frames, 1):.0f} ms per frame", flush=True)


if __name__ == "__main__":
    main()
