"""Mouth shapes of speech sounds, as weights of the ICT-FaceKit / ARKit expressions.

A viseme is (weights, dominance, width). Dominance says how strongly the sound holds its shape against its
neighbours, width how far (seconds) it reaches into them. Shapes start from the usual 15-viseme set; apertures were
checked against the ICT mesh (`lip_geometry`) and ordered as in the phonetic literature: bilabials 0, labiodentals and
/u/ 1-3 mm, sibilants 4-6, mid vowels 8-13, open vowels 14-19.
"""
import numpy as np

UNPAIRED = ("jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper",
            "mouthShrugLower", "mouthShrugUpper", "tongueOut", "tongueUp")
PAIRED = ("mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp")
# tongueOut and tongueUp are not ICT expressions: the renderer moves the tongue by them (0 rest, 1 between the
# teeth / at the ridge behind the upper teeth).
CHANNELS = sorted([*UNPAIRED, *(f"{name}_{side}" for name in PAIRED for side in "LR")])
INDEX = {name: i for i, name in enumerate(CHANNELS)}


def vector(**weights):
    """Channel vector [C]; a paired name sets both sides."""
    out = np.zeros(len(CHANNELS))
    for name, value in weights.items():
        for key in ([name] if name in UNPAIRED else [f"{name}_L", f"{name}_R"]):
            out[INDEX[key]] = value
    return out


VISEMES = {
    "sil": (vector(), .45, .10),
    "PP": (vector(mouthPress=.35, mouthRollLower=.28, mouthRollUpper=.04, mouthPucker=.25), 6., .045),
    "FF": (vector(jawOpen=.04, mouthRollLower=.5, mouthUpperUp=.35, mouthPucker=.15), 3.5, .05),
    "TH": (vector(jawOpen=.12, mouthUpperUp=.2, mouthLowerDown=.35, tongueOut=1), 1.3, .06),
    "DD": (vector(jawOpen=.12, mouthLowerDown=.38, mouthUpperUp=.25, mouthStretch=.14, tongueUp=1), .9, .06),
    "LL": (vector(jawOpen=.16, mouthLowerDown=.3, mouthUpperUp=.2, tongueUp=1), .8, .06),
    "SS": (vector(jawOpen=.04, mouthStretch=.26, mouthLowerDown=.55, mouthUpperUp=.4, tongueUp=.5), 1.8, .055),
    "CH": (vector(jawOpen=.06, mouthFunnel=.22, mouthPucker=.35, mouthLowerDown=.15, mouthUpperUp=.15, tongueUp=.5),
           2., .065),
    "kk": (vector(jawOpen=.15, mouthLowerDown=.22, mouthUpperUp=.14, mouthStretch=.1), .35, .06),
    "RR": (vector(jawOpen=.08, mouthFunnel=.18, mouthPucker=.4), 1., .07),
    "WW": (vector(jawOpen=.04, mouthPucker=.85, mouthFunnel=.08), 2.4, .07),
    "aa": (vector(jawOpen=.38, mouthLowerDown=.32, mouthUpperUp=.32, mouthStretch=.12), 1.4, .075),
    "ah": (vector(jawOpen=.28, mouthLowerDown=.32, mouthUpperUp=.28, mouthStretch=.12), 1.1, .07),
    "ae": (vector(jawOpen=.33, mouthStretch=.25, mouthLowerDown=.4, mouthUpperUp=.38, mouthSmile=.06), 1.3, .075),
    "E": (vector(jawOpen=.22, mouthStretch=.28, mouthLowerDown=.4, mouthUpperUp=.35, mouthSmile=.06), 1.2, .075),
    "ih": (vector(jawOpen=.14, mouthStretch=.26, mouthSmile=.1, mouthLowerDown=.38, mouthUpperUp=.28), 1.1, .07),
    "ii": (vector(jawOpen=.09, mouthStretch=.36, mouthSmile=.18, mouthLowerDown=.4, mouthUpperUp=.28), 1.4, .075),
    "oh": (vector(jawOpen=.25, mouthFunnel=.25, mouthPucker=.3), 1.5, .08),
    "oo": (vector(jawOpen=.15, mouthFunnel=.25, mouthPucker=.5), 1.7, .08),
    "ou": (vector(jawOpen=.06, mouthPucker=.8, mouthFunnel=.12), 1.9, .08),
    "uh": (vector(jawOpen=.11, mouthPucker=.45, mouthFunnel=.12), 1.2, .07),
    "yy": (vector(jawOpen=.08, mouthPucker=.65, mouthFunnel=.18), 1.7, .08),
    "ax": (vector(jawOpen=.18, mouthLowerDown=.27, mouthUpperUp=.22, mouthStretch=.08), .7, .065),
}
VOWELS = frozenset(("aa", "ah", "ae", "E", "ih", "ii", "oh", "oo", "ou", "uh", "yy", "ax"))


def lip_geometry(curves):
    """Inner-lip aperture and mouth width of curves [..., C], as fractions of the face height (nose bridge to chin).

    A linear fit of the neutral ICT head (landmarks 61-63 to 65-67, and 48 to 54; 11.31 cm face height, aperture
    0.107 cm and width 5.07 cm at rest), with closed lips as the floor.
    """
    def weighted(**coefficients):
        return curves @ vector(**coefficients)

    aperture = weighted(jawOpen=3.34, mouthClose=-3.97, mouthFunnel=1.02, mouthPucker=-.19, mouthLowerDown=.286,
                        mouthUpperUp=.31, mouthPress=-.145, mouthRollLower=-.3, mouthShrugLower=-.75,
                        mouthShrugUpper=.45)
    width = weighted(jawOpen=-.57, mouthFunnel=-.683, mouthPucker=-.928, mouthSmile=.871, mouthStretch=.71,
                     mouthFrown=.212, mouthDimple=.127, mouthRollUpper=.3, mouthClose=.283)
    return np.maximum(.107 + aperture, 0) / 11.31, (5.07 + width) / 11.31
