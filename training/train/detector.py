"""Trains the face detector on rendered heads pasted into wider images.

    python3 -m train.detector --faces .cache/faces --test .cache/faces-test --out .cache/detector.pt --seconds 500

Faces of 20 to 190 pixels in 192; up to two per image; one image in ten without a face. Reports the mean overlap of the
best box with the truth, and how many of 120 test images have their face found (overlap over 0.5).
"""
import argparse

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from heads import assets
from models.faces import FaceDetector
from train.augment import load_faces, mirrored, photometric, similarity
from train.autoencoder import to_tensor
from train.loop import autocast, device_of, train
from train.textures import texture_bank

SIZE = FaceDetector.SIZE


def scene(faces, bank, g):
    """image uint8 [192, 192, 3] and boxes [n, 4]."""
    texture = bank[g.integers(len(bank))]
    y, x = g.integers(0, texture.shape[0] - SIZE, 2)
    image, boxes = np.ascontiguousarray(texture[y:y + SIZE, x:x + SIZE]), []
    for _ in range(g.choice([0, 1, 2], p=[.1, .7, .2])):
        k = g.integers(len(faces[0]))
        face, points, seen = (f[k] for f in faces)
        if g.random() < .5:
            face, points, _ = mirrored(face, points, seen)
            face = np.ascontiguousarray(face)
        lo, hi = points.min(0), points.max(0)
        extent = np.exp(g.uniform(np.log(20), np.log(150)))
        target = g.uniform(.25 * extent, SIZE - .25 * extent, 2) if g.random() < .4 else SIZE / 2 + g.normal(0, 20, 2)
        turn = g.normal(0, .15)
        m = similarity(extent / (hi - lo).max(), turn, (lo + hi) / 2, target)
        q = points @ m[:, :2].T + m[:, 2]
        box = np.concatenate([q.min(0), q.max(0)])
        if any(overlap(box[None], np.array([b]))[0] > .05 for b in boxes):
            continue
        filled = g.random() < .6  # the picture of the head fills the whole image, or is pasted into the texture
        if filled and not boxes:
            image = cv2.warpAffine(face, m, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            mirror = extent < 60  # reflected copies of small faces would be unlabelled faces
            if mirror:
                image = np.ascontiguousarray(texture[y:y + SIZE, x:x + SIZE])
        if not filled or boxes or extent < 60:
            image = cv2.warpAffine(face, m, (SIZE, SIZE), dst=image, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)
        boxes.append(box)
    if g.random() < .3:  # letterbox bars
        bar = int(g.integers(4, 50))
        if all(b[1] > bar and b[3] < SIZE - bar for b in boxes):
            image[:bar], image[SIZE - bar:] = 128, 128
    return image, np.array(boxes, np.float32).reshape(-1, 4)


def overlap(a, b):
    """Intersection over union, row by row: [n, 4] and [n, 4] to [n]."""
    lo, hi = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(hi - lo, 0, None).prod(1)
    return both / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both)


def targets(boxes, centre):
    """Cells of 16 px that hold a face's centre or touch it: labels [144] (1, 0, -1 ignored) and boxes [144, 4]."""
    label, box = np.zeros(len(centre), np.float32), np.zeros((len(centre), 4), np.float32)
    for b in boxes:
        c, extent = (b[:2] + b[2:]) / 2, (b[2:] - b[:2]).max()
        away = np.abs(centre - c).max(1)
        near = (away < max(12., .28 * extent)) & (label != 1)
        label[near] = -1
        best = away <= max(8.01, .14 * extent)
        label[best] = 1
        box[near | best] = b
    return label, box


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--faces", required=True)
    ap.add_argument("--test", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seconds", type=float, default=500)
    ap.add_argument("--batch", type=int, default=12)
    ap.add_argument("--device")
    args = ap.parse_args()
    device = device_of(args.device)
    torch.set_flush_denormal(True)
    cv2.setNumThreads(1)
    faces, test = load_faces(args.faces), load_faces(args.test)
    pack = assets.load(args.assets)
    bank = texture_bank(pack, 120, seed=3)
    net = FaceDetector().to(device, memory_format=torch.channels_last)
    centre = net.centre[0].cpu().numpy()
    g = np.random.default_rng(5)
    held = []
    while len(held) < 120:
        image, boxes = scene(test, bank[:20], g)
        if len(boxes) == 1:
            held.append((image, boxes[0]))
    print(f"{len(faces[0])} images, {len(test[0])} test images", flush=True)

    def loss_of(step, g):
        image, boxes = zip(*[scene(faces, bank, g) for _ in range(args.batch)])
        label, box = (torch.tensor(np.array(x), device=device) for x in zip(*[targets(b, centre) for b in boxes]))
        with autocast(device):
            logits, distances = net.raw(to_tensor(np.stack([photometric(i, g) for i in image]), device))
        logits, distances = logits.float(), distances.float()
        cross = F.binary_cross_entropy_with_logits(logits, label.clamp(min=0), reduction="none")
        focal = cross * (label - torch.sigmoid(logits)).abs() ** 2 * (label >= 0)
        one = label == 1
        got, want = net.boxes(distances)[one], box[one]
        lo, hi = torch.maximum(got[:, :2], want[:, :2]), torch.minimum(got[:, 2:], want[:, 2:])
        both = (hi - lo).clamp(min=0).prod(1)
        union = (got[:, 2:] - got[:, :2]).prod(1) + (want[:, 2:] - want[:, :2]).prod(1) - both
        size = (want[:, 2:] - want[:, :2]).amax(1, keepdim=True)
        fit = (1 - both / union).mean() + ((got - want).abs() / size).mean()
        return focal.sum() / max(int(one.sum()), 1) + fit

    def report(step):
        box, score = (x.cpu().numpy() for x in net(to_tensor(np.stack([h[0] for h in held]), device)))
        best = box[np.arange(len(box)), score.argmax(1)]
        iou = overlap(best, np.array([h[1] for h in held]))
        return f"overlap {iou.mean():.3f}, found {(iou > .5).mean():.3f}, score {score.max(1).mean():.2f}"

    train(args.out, {"detector": net}, loss_of, args.seconds, rate=2e-3, report=report, average=.995)


if __name__ == "__main__":
    main()
