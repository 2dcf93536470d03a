"""Trains the 68-point landmark model on rendered heads.

    python3 -m train.landmarks --faces .cache/faces --test .cache/faces-test --out .cache/landmarks.pt --seconds 900

The square around the box of the true points (recipe.LANDMARK_SQUARE_SCALE) is moved, scaled and turned at random.
One image in twelve holds no face, for the confidence. Reports the mean error over the distance of the outer eye corners.
"""
import argparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import recipe
from heads import assets
from models.faces import FaceLandmarks
from train.augment import load_faces, mirrored, photometric, similarity
from train.autoencoder import to_tensor
from train.loop import autocast, device_of, train
from train.textures import texture_bank

SIDE = 128


def square(points, scale=recipe.LANDMARK_SQUARE_SCALE):
    """Centre [2] and side of the square around the box of the points."""
    lo, hi = points.min(0), points.max(0)
    return (lo + hi) / 2, (hi - lo).max() * scale


def cut(image, centre, side, turn=0.0, border=cv2.BORDER_CONSTANT):
    """The square as [128, 128, 3] and the transform to it; outside is mid-grey."""
    m = similarity(SIDE / side, turn, centre, (SIDE / 2, SIDE / 2))
    flags = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return cv2.warpAffine(image, m, (SIDE, SIDE), flags=flags, borderMode=border, borderValue=(128, 128, 128)), m


def sample(faces, bank, g):
    """image uint8 [128, 128, 3], points [68, 2] in [0, 1], visibility [68], whether there is a face."""
    if g.random() < 1 / 12:
        texture = bank[g.integers(len(bank))]
        side = g.uniform(60, 380)
        return photometric(cut(texture, g.uniform(side / 2, 384 - side / 2 + 1, 2), side)[0], g), np.zeros((68, 2)), np.zeros(68), 0.
    k = g.integers(len(faces[0]))
    image, points, seen = (f[k] for f in faces)
    if g.random() < .5:
        image, points, seen = mirrored(image, points, seen)
        image = np.ascontiguousarray(image)
    centre, side = square(points)
    side *= np.exp(g.normal(0, .09))
    border = [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT][int(g.random() < .8)]
    image, m = cut(image, centre + g.normal(0, .045, 2) * side, side, g.normal(0, .18), border)
    return photometric(image, g), (points @ m[:, :2].T + m[:, 2]) / SIDE, seen, 1.


def error(net, faces, device, every=1):
    """Mean distance over outer-eye distance, of the upright, exact square."""
    pieces = [cut(im, *square(p), border=cv2.BORDER_REFLECT) for im, p in zip(faces[0][::every], faces[1][::every])]
    points = np.concatenate([net(to_tensor(np.stack([q[0] for q in pieces[k:k + 32]]), device))[0].cpu().numpy()
                             for k in range(0, len(pieces), 32)])
    truth = np.stack([(p @ m[:, :2].T + m[:, 2]) / SIDE for p, (_, m) in zip(faces[1][::every], pieces)])
    eyes = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=1)
    return float((np.linalg.norm(points - truth, axis=2).mean(1) / eyes).mean())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--faces", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seconds", type=float, default=900)
    ap.add_argument("--batch", type=int, default=12)
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    faces, test = load_faces(args.faces), load_faces(args.test)
    bank = texture_bank(assets.load(args.assets), 60, seed=2)
    net = FaceLandmarks().to(device, memory_format=torch.channels_last)
    print(f"{len(faces[0])} images, {len(test[0])} test images", flush=True)
    at = net.at

    def loss_of(step, g):
        image, points, seen, face = zip(*[sample(faces, bank, g) for _ in range(args.batch)])
        target, seen, face = (torch.tensor(np.array(x), dtype=torch.float32, device=device) for x in (points, seen, face))
        with autocast(device):
            heat, visible, sure = net.maps(to_tensor(np.stack(image), device))
        q = net.points(heat)
        off = (q - target).abs()
        # Wing-like: small errors count, large ones do not run away.
        wing = torch.log1p(off / .01).mean((1, 2)) * .02 + off.mean((1, 2))
        # Heat maps stay narrow: their second moment around the truth.
        dx = (at - target[..., :1]) ** 2
        dy = (at - target[..., 1:]) ** 2
        spread = ((heat.sum(2) * dx).sum(-1) + (heat.sum(3) * dy).sum(-1)).mean(1)
        known = F.binary_cross_entropy_with_logits(visible, seen, reduction="none").mean(1)
        found = F.binary_cross_entropy_with_logits(sure, face)
        return (face * (wing * 10 + spread * 5 + .02 * known)).mean() + .05 * found

    def report(step):
        return f"error {100 * error(net, test, device):.2f} % of the eye distance"

    train(args.out, {"landmarks": net}, loss_of, args.seconds, rate=2e-3, report=report, average=.995)


if __name__ == "__main__":
    main()
