"""Renders whole heads for the face detector and the landmark model: one file of images per range of people.

    python3 -m heads.faces --out .cache/faces --first 0 --last 400 [--split train] [--each 6] [--worker 0/2]

faces-NNNNN.npz (20 people): image uint8 [n, 224, 224, 3] RGB; landmarks float32 [n, 68, 2] in its pixels; visibility
uint8 [n, 68], 0 where something hides the point; person int32 [n]. People are other ones than heads.clips renders.
"""
import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import cv2
import numpy as np

from heads import assets
from heads.camera import Camera
from heads.motion import upper_face
from heads.person import Person
from heads.render import View, landmarks, render
from speech.visemes import CHANNELS, VISEMES

SIZE, PEOPLE = 224, 20
FIRST_SEED = 100_000


def random_mouth(g):
    """Two visemes blended, emotions and asymmetries beyond speech: weights by name."""
    names = list(VISEMES)
    mix = g.uniform(0, 1)
    v = mix * VISEMES[names[g.integers(len(names))]][0] + (1 - mix) * VISEMES[names[g.integers(len(names))]][0]
    w = dict(zip(CHANNELS, (v * g.uniform(.6, 1.4)).tolist()))
    smile, frown = np.clip(g.normal(.05, .35, 2), 0, .9)
    for s in "LR":
        w["mouthSmile_" + s] = min(1., w["mouthSmile_" + s] + smile * g.uniform(.8, 1.1))
        w["mouthFrown_" + s] = frown * .5
        w["cheekSquint_" + s] = .6 * smile
    if g.random() < .15:
        w["jawOpen"] = g.uniform(.3, .9)
    if g.random() < .2:
        w["jawLeft" if g.random() < .5 else "jawRight"] = g.uniform(0, .5)
    return w


def random_view(p, w, rpy, g):
    """A View in which the 68 points span 40 to 62 % of the image, turned a little."""
    q = landmarks(p, w, rpy)
    lo, hi = q.min(0), q.max(0)
    scale = SIZE * g.uniform(.40, .62) / (hi - lo).max()
    turn = g.normal(0, .12)
    m = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([SIZE / 2, SIZE / 2]) + g.normal(0, 6, 2)
    return View(SIZE, SIZE, np.concatenate([m, (centre - m @ ((lo + hi) / 2))[:, None]], 1))


def render_person(pack, seed, split, each):
    g = np.random.default_rng((19, seed, split == "test"))
    p, rows = Person(pack, FIRST_SEED + seed, split), []
    for i in range(each):
        w = random_mouth(g)
        w |= {k: float(c[g.integers(60)]) for k, c in upper_face(60, 10, g).items()}
        rpy = np.clip(g.normal(0, [.16, .38, .10]), -.85, .85)
        img, marks, seen = render(p, w, rpy, view=random_view(p, w, rpy, g))
        camera = Camera(g)
        rows.append((camera.shoot(img, (seed, i)), marks, seen, seed))
    return rows


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--out", required=True)
    ap.add_argument("--first", type=int, default=0)
    ap.add_argument("--last", type=int, required=True)
    ap.add_argument("--split", choices=["train", "test"], default="train")
    ap.add_argument("--each", type=int, default=6, help="images per person")
    ap.add_argument("--worker", default="0/1", help="k/n: this process takes every n-th file, starting with the k-th")
    args = ap.parse_args()
    cv2.setNumThreads(1)
    pack = assets.load(args.assets)
    os.makedirs(args.out, exist_ok=True)
    k, n = map(int, args.worker.split("/"))
    for first in range(args.first + k * PEOPLE, args.last, n * PEOPLE):
        path = os.path.join(args.out, f"faces-{first:05d}.npz")
        if os.path.exists(path):
            continue
        start, rows = time.time(), []
        for seed in range(first, min(first + PEOPLE, args.last)):
            rows += render_person(pack, seed, args.split, args.each)
        image, marks, seen, person = zip(*rows)
        with open(path + ".part", "wb") as f:
            np.savez(f, image=np.array(image, np.uint8), landmarks=np.array(marks, np.float32),
                     visibility=np.array(seen, np.uint8), person=np.array(person, np.int32))
        os.replace(path + ".part", path)
        print(f"{path}: {len(rows)} images, {1000 * (time.time() - start) / len(rows):.0f} ms each", flush=True)


if __name__ == "__main__":
    main()
