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
    "PP": (vector(mouthPress=.35, mouthRollLower=.28, mouthRollUpper=.12), 6., .045),
    "FF": (vector(jawOpen=.04, mouthRollLower=.5, mouthUpperUp=.35), 3.5, .05),
    "TH": (vector(jawOpen=.12, mouthUpperUp=.2, mouthLowerDown=.35, tongueOut=1), 1.3, .06),
    "DD": (vector(jawOpen=.11, mouthLowerDown=.35, mouthUpperUp=.2, mouthStretch=.12, tongueUp=1), .9, .06),
    "LL": (vector(jawOpen=.16, mouthLowerDown=.3, mouthUpperUp=.2, tongueUp=1), .8, .06),
    "SS": (vector(jawOpen=.04, mouthStretch=.3, mouthLowerDown=.5, mouthUpperUp=.35, tongueUp=.5), 1.8, .055),
    "CH": (vector(jawOpen=.06, mouthFunnel=.45, mouthPucker=.2, mouthLowerDown=.25, mouthUpperUp=.2, tongueUp=.5),
           2., .065),
    "kk": (vector(jawOpen=.15, mouthLowerDown=.18, mouthUpperUp=.1), .35, .06),
    "RR": (vector(jawOpen=.1, mouthFunnel=.3, mouthPucker=.3), 1., .07),
    "WW": (vector(jawOpen=.05, mouthPucker=.85, mouthFunnel=.15), 2.4, .07),
    "aa": (vector(jawOpen=.46, mouthLowerDown=.28, mouthUpperUp=.3), 1.4, .075),
    "ah": (vector(jawOpen=.34, mouthLowerDown=.28, mouthUpperUp=.25), 1.1, .07),
    "ae": (vector(jawOpen=.38, mouthStretch=.22, mouthLowerDown=.35, mouthUpperUp=.35, mouthSmile=.06), 1.3, .075),
    "E": (vector(jawOpen=.26, mouthStretch=.28, mouthLowerDown=.35, mouthUpperUp=.32, mouthSmile=.1), 1.2, .075),
    "ih": (vector(jawOpen=.15, mouthStretch=.3, mouthSmile=.15, mouthLowerDown=.35, mouthUpperUp=.25), 1.1, .07),
    "ii": (vector(jawOpen=.09, mouthStretch=.42, mouthSmile=.3, mouthLowerDown=.35, mouthUpperUp=.25), 1.4, .075),
    "oh": (vector(jawOpen=.34, mouthFunnel=.42, mouthPucker=.15), 1.5, .08),
    "oo": (vector(jawOpen=.2, mouthFunnel=.38, mouthPucker=.42), 1.7, .08),
    "ou": (vector(jawOpen=.07, mouthPucker=.75, mouthFunnel=.25), 1.9, .08),
    "uh": (vector(jawOpen=.13, mouthPucker=.42, mouthFunnel=.25), 1.2, .07),
    "yy": (vector(jawOpen=.09, mouthPucker=.6, mouthFunnel=.3), 1.7, .08),
    "ax": (vector(jawOpen=.2, mouthLowerDown=.22, mouthUpperUp=.18), .7, .065),
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
