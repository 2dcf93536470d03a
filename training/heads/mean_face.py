"""The 68 points of the ICT mean head in crop pixels, and the crop template made of them.

    python3 -m heads.mean_face --assets DIR     recomputes and compares
"""
import argparse

import numpy as np

CAMERA_CM, EYES_PX, EYE_LINE_Y, CENTRE_X = 75.0, 176.0, 195.0, 256.0
# fmt: off
MEAN_FACE = [
    [119.6, 204.01], [123.62, 247.41], [130.05, 289.31], [139.49, 333.67], [155.0, 366.27], [170.91, 383.46],
    [195.58, 399.65], [224.92, 409.97], [256.0, 416.61], [287.08, 409.97], [316.42, 399.65], [341.09, 383.46],
    [357.0, 366.27], [372.51, 333.67], [381.95, 289.31], [388.38, 247.41], [392.4, 204.01], [142.19, 160.82],
    [158.02, 144.14], [179.76, 137.38], [207.02, 137.69], [232.14, 143.08], [279.86, 143.08], [304.98, 137.69],
    [332.24, 137.38], [353.98, 144.14], [369.81, 160.82], [256.0, 187.16], [256.0, 209.32], [256.0, 230.23],
    [256.0, 255.47], [230.44, 286.71], [243.62, 286.91], [256.0, 288.35], [268.38, 286.91], [281.56, 286.71],
    [168.0, 195.15], [178.81, 187.61], [200.92, 186.19], [219.41, 198.16], [202.17, 201.27], [179.4, 201.63],
    [292.59, 198.15], [311.08, 186.19], [333.19, 187.61], [344.0, 195.15], [332.6, 201.63], [309.83, 201.27],
    [204.8, 334.26], [221.11, 320.38], [240.96, 313.63], [256.0, 314.99], [271.04, 313.63], [290.89, 320.38],
    [307.2, 334.26], [292.75, 346.14], [277.25, 351.91], [256.0, 353.7], [234.75, 351.91], [219.25, 346.14],
    [211.41, 333.58], [235.62, 330.87], [256.0, 331.67], [276.38, 330.87], [300.59, 333.58], [277.86, 332.51],
    [256.0, 333.19], [234.14, 332.51],
]
# fmt: on


def compute(pack):
    """float64 [68, 2]: the mean head, lids as rendered, seen from 81 cm at mouth height."""
    names = [pack.expression["eyeBlink_L"], pack.expression["eyeBlink_R"]]
    v = (pack.vertices + 0.13 * pack.expressions[names].sum(0))[pack.landmarks].astype(np.float64)
    z = CAMERA_CM + 6 - v[:, 2]
    p = np.stack([v[:, 0] / z, -(v[:, 1] - 1.0) / z], 1)
    scale = EYES_PX / (p[45, 0] - p[36, 0])
    return np.stack([CENTRE_X + scale * p[:, 0], EYE_LINE_Y + scale * (p[:, 1] - p[36:48, 1].mean())], 1)


def main():
    import recipe
    from heads import assets
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    p = compute(assets.load(ap.parse_args().assets))
    worst = max(np.abs(p - MEAN_FACE).max(), np.abs(p[recipe.ANCHORS] - recipe.TEMPLATE).max())
    print(np.round(p, 2).tolist())
    if worst > 0.02:
        raise SystemExit(f"MEAN_FACE or recipe.TEMPLATE is off by {worst:.3f} px")


if __name__ == "__main__":
    main()
