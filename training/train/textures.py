"""Images wider than faces for the autoencoder, so that real photographs survive it too.

Dead leaves (occluding discs and polygons whose sizes follow a power law) have the edge and contrast statistics of
photographs (Lee, Mumford, Huang, "Occlusion models for natural images", 2001); skins and hair fill some of them.
"""
import glob
import os

import cv2
import numpy as np

from heads.textures import background, noise


def photographs(pack):
    """Skin and hair textures of the pack: list of uint8 [h, w, 3] RGB."""
    out = []
    for path in sorted(glob.glob(os.path.join(pack.root, "skins", "*.jpg"))):
        out.append(cv2.imread(path)[..., ::-1])
    for path in sorted(glob.glob(os.path.join(pack.root, "hair", "*.png"))):
        image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        alpha = image[..., 3:] / 255.0
        out.append((image[..., 2::-1] * alpha + 128 * (1 - alpha)).astype(np.uint8))
    return out


def dead_leaves(g, photos, size=384):
    """uint8 [size, size, 3]."""
    out = np.full((size, size, 3), g.uniform(0, 255, 3), np.float32)
    dark, bright = np.sort(g.uniform(0, 255, 2))
    colourful = g.uniform(0, 1)
    for _ in range(int(g.integers(60, 700))):
        radius = float(np.clip(3 / g.random() ** .6, 2, size * .4))
        centre, mask = g.uniform(-20, size + 20, 2), np.zeros((size, size), np.uint8)
        if g.random() < .5:
            axes = (int(radius) + 1, int(radius * g.uniform(.2, 1)) + 1)
            cv2.ellipse(mask, tuple(map(int, centre)), axes, g.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
        else:
            angle = np.sort(g.uniform(0, 2 * np.pi, g.integers(3, 7)))
            points = centre + radius * g.uniform(.4, 1, (len(angle), 1)) * np.stack([np.cos(angle), np.sin(angle)], 1)
            cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        lo, hi = np.maximum(centre - radius - 2, 0).astype(int), np.minimum(centre + radius + 3, size).astype(int)
        if (lo >= hi).any():
            continue
        window = (slice(lo[1], hi[1]), slice(lo[0], hi[0]))
        grey = g.uniform(dark, bright)
        fill = grey + colourful * g.normal(0, 40, 3)
        h, w = hi[1] - lo[1], hi[0] - lo[0]
        if radius > 12 and g.random() < .4:  # a piece of skin or hair
            photo = photos[g.integers(len(photos))]
            y, x = g.integers(0, photo.shape[0] - h), g.integers(0, photo.shape[1] - w)
            fill = photo[y:y + h, x:x + w].astype(np.float32) * g.uniform(.5, 1.4) + g.normal(0, 20)
        elif g.random() < .4:  # a gradient
            fill = fill + np.linspace(-1, 1, w)[None, :, None] * g.normal(0, 30) + np.linspace(-1, 1, h)[:, None, None] * g.normal(0, 30)
        k = mask[window][..., None] / 255.0
        out[window] = out[window] * (1 - k) + fill * k
    if g.random() < .6:
        out = cv2.GaussianBlur(out, (0, 0), g.uniform(.3, 2.))
    out += noise(size, g, [(size, g.uniform(0, 4))])[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


def texture_bank(pack, count, seed=0):
    """`count` images: half dead leaves, a quarter backgrounds, a quarter skins and hair enlarged or reduced."""
    g, photos = np.random.default_rng((41, seed)), photographs(pack)
    bank = []
    for i in range(count):
        kind = i % 4
        if kind < 2:
            bank.append(dead_leaves(g, photos))
        elif kind == 2:
            bank.append((background(g, 384) ** (1 / 2.2) * 255).astype(np.uint8))
        else:
            photo = photos[g.integers(len(photos))]
            side = int(g.integers(192, 768))
            y, x = g.integers(0, photo.shape[0] - side, 2)
            piece = cv2.resize(photo[y:y + side, x:x + side], (384, 384), interpolation=cv2.INTER_AREA)
            bank.append(np.clip((piece.astype(np.float32) - 128) * g.uniform(.7, 1.5) + 128 + g.normal(0, 20, 3), 0, 255).astype(np.uint8))
    return bank
