"""Geometric and photometric augmentation of rendered heads, for the detector and the landmark model."""
import glob
import os

import cv2
import numpy as np

from train.loop import TrainingError


def load_faces(folder, limit=None):
    """image uint8 [n, 224, 224, 3], landmarks [n, 68, 2], visibility [n, 68] of the files of heads.faces."""
    paths = sorted(glob.glob(os.path.join(folder, "faces-*.npz")))[:limit]
    if not paths:
        raise TrainingError(f"no faces in {folder}: render them with python3 -m heads.faces --out {folder} --last N")
    parts = [np.load(p) for p in paths]
    return [np.concatenate([p[k] for p in parts]) for k in ("image", "landmarks", "visibility")]


# The index of each of the 68 points in the mirrored face.
MIRROR = np.array([*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46,
                   39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65])


def mirrored(image, points, seen):
    points = points * [-1, 1] + [image.shape[1], 0]
    return image[:, ::-1], points[MIRROR], seen[MIRROR]


def similarity(scale, turn, source, target):
    """[2, 3]: rotates by turn, scales, and moves source onto target."""
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    m = np.array([[c, -s], [s, c]])
    return np.concatenate([m, (np.asarray(target) - m @ np.asarray(source))[:, None]], 1)


def photometric(image, g):
    """uint8 to uint8: colour, light across the face, blur, grain, low resolution, JPEG, grey, hidden patches."""
    x = image.astype(np.float32) / 255
    h, w = x.shape[:2]
    if g.random() < .8:
        x = np.clip(x, 1e-3, 1) ** np.exp(g.normal(0, .3)) * np.exp(g.normal(0, .15, 3)) + g.normal(0, .06)
        x = (x - .5) * np.exp(g.normal(0, .25)) + .5
    if g.random() < .2:
        x = np.repeat(x.mean(2, keepdims=True), 3, 2)
    elif g.random() < .3:
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * g.uniform(.2, 1.6)
    if g.random() < .4:
        a, (yy, xx) = g.uniform(0, 2 * np.pi), np.mgrid[-1:1:h * 1j, -1:1:w * 1j]
        x = x * (1 + g.uniform(0, .6) * np.clip(np.cos(a) * xx + np.sin(a) * yy, -1, 1))[..., None]
    if g.random() < .4:
        k = g.uniform(.25, .9)
        small = cv2.resize(x.astype(np.float32), (int(w * k), int(h * k)), interpolation=cv2.INTER_AREA)
        x = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    elif g.random() < .3:
        x = x + g.uniform(.3, 1.5) * (x - cv2.GaussianBlur(x, (0, 0), 1.))
    if g.random() < .5:
        x = x + g.normal(0, g.uniform(0, .06), x.shape)
    if g.random() < .15:
        cy, cx, s = g.integers(0, h), g.integers(0, w), int(g.integers(6, max(7, h // 4)))
        x[max(0, cy - s):cy + s, max(0, cx - s):cx + s] = g.uniform(0, 1, 3)
    x = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if g.random() < .4:
        code = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(g.integers(25, 90))])[1]
        x = cv2.imdecode(code, 1)
    return x
