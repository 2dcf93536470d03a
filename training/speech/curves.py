"""Visemes to mouth curves: coarticulation, and how a person speaks.

Coarticulation is a dominance blend (Cohen and Massaro, "Modeling coarticulation in synthetic visual speech", 1993):
at time t the mouth is sum(d_k(t) * target_k) / sum(d_k(t)), where d_k falls off around sound k.
"""
from dataclasses import dataclass, field

import numpy as np

from speech.visemes import CHANNELS, INDEX, VISEMES, VOWELS, vector

EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised")
FPS = 25
_TONGUE = [INDEX["tongueOut"], INDEX["tongueUp"]]
# Per emotion: offset at full intensity, and the change of gain.
_EMOTION = {
    "neutral": (vector(), 0.),
    "happy": (vector(mouthSmile=.55, mouthUpperUp=.12, mouthDimple=.2), .12),
    "sad": (vector(mouthFrown=.5, mouthShrugLower=.12), -.3),
    "angry": (vector(mouthFrown=.18, mouthUpperUp=.2, mouthLowerDown=.22, mouthPress=.15), .2),
    "surprised": (vector(jawOpen=.1, mouthFunnel=.06), .25),
}


@dataclass
class Style:
    """How one clip's person speaks. gain: size of all mouth motion; jaw_share: -1 opens by the lips only, 1 by the jaw;
    spread: width of coarticulation; lead_s: how far the lips run ahead of the sound; effort: how much louder vowels
    open wider; rest: the pose of pauses; smoothing_s: deviation of the Gaussian that limits lip speed."""
    emotion: str = "neutral"
    intensity: int = 0
    gain: float = 1.
    jaw_share: float = 0.
    spread: float = 1.1
    lead_s: float = .02
    effort: float = .7
    round_gain: float = 1.
    spread_gain: float = 1.
    asymmetry: float = 0.
    smoothing_s: float = .03
    rest: np.ndarray = field(default_factory=vector)


def draw_style(g):
    """A random person. Half the clips are neutral; the others have an emotion at intensity 1 to 3."""
    emotion = "neutral" if g.random() < .5 else str(g.choice(EMOTIONS[1:]))
    intensity = 0 if emotion == "neutral" else int(g.integers(1, 4))
    rest = vector()
    if g.random() < .45:  # a mouth that rests open
        rest = vector(jawOpen=g.uniform(.02, .13), mouthLowerDown=g.uniform(0, .25), mouthUpperUp=g.uniform(0, .2))
    elif g.random() < .3:
        rest = vector(mouthPress=g.uniform(.05, .35))
    rest = rest + vector(mouthSmile=max(0, g.normal(.02, .12)))
    return Style(
        emotion, intensity, gain=float(np.exp(g.normal(0, .18)) * (1 + _EMOTION[emotion][1] * intensity / 3)),
        jaw_share=float(g.uniform(-.5, .5)), spread=float(np.exp(g.normal(.1, .22))), lead_s=float(g.uniform(.0, .04)),
        effort=float(g.uniform(.2, 1.2)), round_gain=float(np.exp(g.normal(0, .18))),
        spread_gain=float(np.exp(g.normal(0, .18))), asymmetry=float(g.normal(0, .1)),
        smoothing_s=float(g.uniform(.015, .045)), rest=rest)


def _style_gains(style):
    gains = np.full(len(CHANNELS), style.gain)
    for name, i in INDEX.items():
        if name == "jawOpen":
            gains[i] *= 1 + .5 * style.jaw_share
        elif name.startswith(("mouthLowerDown", "mouthUpperUp")):
            gains[i] *= 1 - .8 * style.jaw_share
        elif name in ("mouthFunnel", "mouthPucker"):
            gains[i] *= style.round_gain
        elif name.startswith(("mouthSmile", "mouthStretch")):
            gains[i] *= style.spread_gain
        elif name.startswith("mouthPress") or name.startswith("mouthRoll"):
            gains[i] = 1.  # a closure closes, however small the gestures
        if name.endswith("_L"):
            gains[i] *= 1 + style.asymmetry
        elif name.endswith("_R"):
            gains[i] *= 1 - style.asymmetry
    gains[_TONGUE] = 1.
    return gains


def _bump(t, start, end, rise_s):
    return np.clip((t - start) / rise_s, 0, 1) * np.clip((end - t) / rise_s, 0, 1)


def mouth_curves(segments, total_s, style, loudness=None, events=(), fps=FPS):
    """Mouth weights [n, C] in [0, 1] at frame middles (i + 0.5) / fps, n = floor(total_s * fps).

    segments: (start s, end s, viseme). loudness: per segment, in dB relative to the clip's middle vowel, or None.
    events: (kind, start s, end s) with kind "breath" or "swallow", inside pauses.
    """
    frames, over = int(total_s * fps + 1e-6), 4
    t = (np.arange(frames * over) + .5) / (fps * over) + style.lead_s
    gains = _style_gains(style)
    number = np.zeros((len(t), len(CHANNELS)))
    total = np.full(len(t), 1e-4)
    for k, (start, end, viseme) in enumerate(segments):
        target, dominance, width = VISEMES[viseme]
        width *= style.spread
        lo, hi = np.searchsorted(t, (start - 5 * width, end + 5 * width))
        away = np.maximum(0, np.maximum(start - t[lo:hi], t[lo:hi] - end))
        d = dominance * np.exp(-(away / width) ** 1.3) * min(1, (end - start) / .06) ** .5
        if viseme == "sil":
            target = style.rest
        else:
            target = target * gains
            if loudness is not None and viseme in VOWELS:
                # Louder syllables open wider; rounding and spreading hardly change.
                size = float(np.clip(10 ** (style.effort * loudness[k] / 20), .4, 1.6))
                target = target.copy()
                for name in ("jawOpen", "mouthLowerDown_L", "mouthLowerDown_R", "mouthUpperUp_L", "mouthUpperUp_R"):
                    target[INDEX[name]] *= size
        number[lo:hi] += d[:, None] * target
        total[lo:hi] += d
    curves = number / total[:, None]
    curves += _EMOTION[style.emotion][0] * (style.intensity / 3)
    for kind, start, end in events:
        if kind == "breath":
            curves += _bump(t, start, end, .12)[:, None] * vector(jawOpen=.12, mouthLowerDown=.15, mouthUpperUp=.08)
        else:
            weight = _bump(t, start, end, .1)[:, None]
            curves = curves * (1 - weight) + weight * vector(mouthPress=.4, mouthShrugLower=.15)
    # Closed lips stay closed under emotions and open rests: a bilabial's own dominance decides.
    closure = np.zeros(len(t))
    for start, end, viseme in segments:
        if viseme == "PP":
            closure = np.maximum(closure, np.exp(-(np.maximum(0, np.maximum(start - t, t - end)) / .03) ** 2))
    opening = [INDEX[n] for n in ("jawOpen", "mouthFunnel", "mouthLowerDown_L", "mouthLowerDown_R", "mouthUpperUp_L",
                                  "mouthUpperUp_R")]
    curves[:, opening] *= (1 - closure)[:, None]
    sigma = style.smoothing_s * fps * over
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(curves, ((reach, reach), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(c, kernel / kernel.sum(), "valid") for c in padded.T], 1)
    return np.clip(smooth.reshape(frames, over, -1).mean(1), 0, 1).astype(np.float32)
