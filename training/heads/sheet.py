"""Contact sheet of random people and mouth shapes, as the region of the crop that the model generates or whole heads.

    python3 -m heads.sheet --out sheet.png [--seeds 1 9 21] [--visemes sil PP TH aa ih ou] [--region] [--split test]
"""
import argparse

import cv2
import numpy as np

from heads import assets
from heads.camera import Camera
from heads.person import Person
from heads.render import View, landmarks, render
import recipe
from speech.visemes import CHANNELS, VISEMES


def region_view(marks):
    """The View that renders the generated region of the crop, from landmarks in the base frame."""
    m = recipe.crop_transform(marks)
    m[:, 2] -= [recipe.REGION["x"], recipe.REGION["y"]]
    return View(recipe.REGION["width"], recipe.REGION["height"], m)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seeds", type=int, nargs="+", default=[1, 9, 21])
    ap.add_argument("--visemes", nargs="+", default=["sil", "PP", "TH", "aa", "ih", "ou"], choices=list(VISEMES))
    ap.add_argument("--split", choices=["train", "test"], default="train")
    ap.add_argument("--region", action="store_true")
    args = ap.parse_args()
    pack, rows = assets.load(args.assets), []
    for s in args.seeds:
        p, g = Person(pack, s, args.split), np.random.default_rng(s)
        rpy, row, camera = np.array([g.normal(0, .05), g.normal(0, .2), g.normal(0, .04)]), [], Camera(g)
        for vis in args.visemes:
            w = dict(zip(CHANNELS, VISEMES[vis][0].tolist()))
            turn = rpy + g.normal(0, .03, 3)
            view = region_view(landmarks(p, w, turn)) if args.region else None
            img, marks, _ = render(p, w, turn, view=view)
            out = camera.shoot(img, s)
            for x, y in marks[:48] if args.region else ():
                cv2.circle(out, (int(x), int(y)), 1, (0, 255, 0), -1)
            if args.region:
                edge = np.array(recipe.MASK_POLYGON) - [recipe.REGION["x"], recipe.REGION["y"]]
                cv2.polylines(out, [edge.astype(np.int32)], True, (255, 0, 0), 1)
            row.append(out)
        rows.append(np.hstack(row))
    cv2.imwrite(args.out, np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
