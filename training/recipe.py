"""The fixed recipe of the trained bundles: geometry, mask, landmarks, audio front end and diffusion schedule.

Everything that training and export both need, and that ends in `bundle.json`, stands here and nowhere else.
Crop pixels are pixels of the square face crop (512 x 512); the region is the part of it that is generated.
"""
import copy

import cv2
import numpy as np

SIZE_PX = 512
DOWNSAMPLING = 8
LATENT_CHANNELS = 4
REGION = {"x": 128, "y": 240, "width": 256, "height": 256}

# The eyes and the bridge and tip of the nose: points that mouth shapes hardly move. Point 33 and the nostrils are
# left out because `jawOpen` moves them by up to 5 px, which would carry mouth opening into the crop.
ANCHORS = [27, 28, 29, 30, 36, 39, 42, 45]
# The anchors of the ICT mean head (eyes as rendered, camera 81 cm away), scaled to 176 px between the outer eye
# corners, eye line at y = 195, centred. `python3 -m heads.mean_face` recomputes them.
TEMPLATE = [[256.0, 187.16], [256.0, 209.32], [256.0, 230.23], [256.0, 255.47],
            [168.0, 195.15], [219.41, 198.16], [292.59, 198.15], [344.0, 195.15]]

# What the conditioner may see. Jaw points 2-14 and nostrils 31-35 move with jaw opening (ICT `jawOpen`: 2 and 14 by
# 0.16 cm, 31 and 35 by 0.27 cm) and are masked together with the mouth, 48-67.
VISIBLE = [0, 1, 15, 16, *range(17, 31), *range(36, 48)]

# Face-shaped, fixed in the crop, so that its outline cannot follow the mouth: from the nostrils (real upper lips reach y = 300) to under the
# chin of a fully open mouth, jaw to jaw, 8 px or more inside the region.
MASK_POLYGON = [[160, 290], [190, 284], [216, 282], [236, 291], [256, 293], [276, 291], [296, 282], [322, 284],
                [352, 290], [362, 326], [362, 366], [354, 400], [338, 432], [314, 462], [288, 480], [256, 486],
                [224, 480], [198, 462], [174, 432], [158, 400], [150, 366], [150, 326]]
MASK_FEATHER_PX = 14
MASK_FILL = -1.0

LANDMARK_SQUARE_SCALE = 1.5

FPS = 25
AUDIO = {
    "recipe": "log-mel", "sampleRateHz": 16000,
    "fftSize": 512, "windowSize": 400, "hopSize": 160, "windowFunction": "hann-periodic",
    "bands": 80, "minHz": 60, "maxHz": 7600, "melScale": "htk", "melNorm": "none", "logFloor": 1e-5,
    "contextFrames": 64, "features": 64, "window": {"left": 4, "right": 3},
}
WINDOW_LEFT, WINDOW_RIGHT = AUDIO["window"]["left"], AUDIO["window"]["right"]
WINDOW = WINDOW_LEFT + 1 + WINDOW_RIGHT
FEATURES, CONTEXT_FRAMES, BANDS = AUDIO["features"], AUDIO["contextFrames"], AUDIO["bands"]

DIFFUSION = {
    "betaSchedule": "scaled-linear", "betaStart": 0.0015, "betaEnd": 0.0195, "trainTimesteps": 1000,
    "predictionType": "sample", "timestepSpacing": "trailing", "finalAlphaCumprod": "one",
    "steps": {"default": 2, "min": 1, "max": 200}, "guidanceScale": {"default": 1.0}, "inpaint": "none",
}


def crop_transform(landmarks, anchors=None, template=None):
    """The least-squares similarity (Umeyama, without reflection) of the anchors onto the template: float64 [2, 3]."""
    p = np.asarray(landmarks, np.float64)[ANCHORS if anchors is None else anchors]
    q = np.asarray(TEMPLATE if template is None else template, np.float64)
    pc, qc = p.mean(0), q.mean(0)
    x, y = p - pc, q - qc
    norm = (x * x).sum()
    a = (x * y).sum() / norm
    b = (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum() / norm
    m = np.array([[a, -b], [b, a]])
    return np.concatenate([m, (qc - m @ pc)[:, None]], 1)


def region_mask(feather_px=0.0):
    """The mask in the region: float32 [height, width], 1 = generated; feathered inwards over feather_px when > 0."""
    mask = np.zeros((REGION["height"], REGION["width"]), np.uint8)
    points = np.round((np.array(MASK_POLYGON, np.float64) - [REGION["x"], REGION["y"]]) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 1, shift=4)
    if feather_px <= 0:
        return mask.astype(np.float32)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return np.clip(inside / feather_px, 0, 1).astype(np.float32)


def manifest(name, version, normalisation):
    """The manifest without graphs, provenance and quality (see export.bundle). normalisation: that of the audio recipe."""
    return copy.deepcopy({
        "formatVersion": 1, "name": name, "version": version, "method": "difftalk",
        "image": {"sizePx": SIZE_PX, "downsampling": DOWNSAMPLING},
        "region": REGION,
        "latent": {"channels": LATENT_CHANNELS, "scale": 1.0},
        "diffusion": DIFFUSION,
        "reference": {"modes": ["fixed", "progressive", "source"], "default": "source", "resetFrames": 50},
        "fps": {"numerator": FPS, "denominator": 1},
        "audio": {**AUDIO, "normalisation": normalisation},
        "landmarks": {"topology": "ibug-68", "visible": VISIBLE, "unit": "crop-fraction",
                      "squareScale": LANDMARK_SQUARE_SCALE},
        "crop": {"anchors": ANCHORS, "template": TEMPLATE},
        "mask": {"polygon": [{"x": x, "y": y} for x, y in MASK_POLYGON],
                 "featherPx": MASK_FEATHER_PX, "fill": MASK_FILL},
        "licence": "Apache-2.0",
        "policy": {"visibleMark": True, "consent": "required"},
    })
