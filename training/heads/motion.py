"""What a talking head does besides its mouth: turns, shifts, blinks, gaze, brows."""
import numpy as np


def smooth(n, fps, g, gain, seconds):
    """Gaussian-filtered noise [n] of deviation gain."""
    k = int(seconds * fps * 3) | 1
    w = np.exp(-.5 * ((np.arange(k) - k // 2) / (seconds * fps)) ** 2)
    z = np.convolve(g.standard_normal(n + k), w / np.sqrt((w ** 2).sum()), "same")
    return gain * z[k // 2:k // 2 + n]


def head_motion(n, fps, g, energy=1.):
    """Pitch, yaw, roll (rad) and shift (cm), each [n, 3]; yaw stays within 0.55."""
    base = np.array([g.normal(0, .07), g.normal(0, .22), g.normal(0, .05)])
    rpy = np.stack([smooth(n, fps, g, .035 * energy, .4), smooth(n, fps, g, .05 * energy, .5),
                    smooth(n, fps, g, .025 * energy, .6)], 1) + base
    rpy[:, 1] = np.clip(rpy[:, 1], -.55, .55)
    shift = np.stack([smooth(n, fps, g, .15 * energy, .6), smooth(n, fps, g, .1 * energy, .6),
                      smooth(n, fps, g, .1 * energy, .6)], 1)
    return rpy, shift


def upper_face(n, fps, g):
    """Expression weights (name -> [n]) of lids, gaze and brows."""
    time = np.arange(n) / fps
    blink, t = np.zeros(n), g.uniform(.3, 3)
    while t < n / fps:
        blink = np.maximum(blink, np.clip(1 - np.abs(time - t) / .12, 0, 1))
        t += g.uniform(1.5, 5)
    hold = np.cumsum(g.random(n) < 1 / (1.2 * fps))  # gaze jumps every 1.2 s or so
    side, up = (np.clip(g.normal(0, .22, n + 1), -.6, .6)[hold] for _ in range(2))
    inner, down, outer = (np.clip(smooth(n, fps, g, .14, .5) + g.normal(0, .08), 0, .6) for _ in range(3))
    squint = np.clip(smooth(n, fps, g, .1, .6) + g.normal(.05, .1), 0, .5)
    w = {"eyeLookOut_L": np.maximum(side, 0), "eyeLookIn_R": np.maximum(side, 0), "eyeLookIn_L": np.maximum(-side, 0),
         "eyeLookOut_R": np.maximum(-side, 0)}
    for s in "LR":
        w |= {"eyeBlink_" + s: blink, "eyeLookUp_" + s: np.maximum(up, 0), "eyeLookDown_" + s: np.maximum(-up, 0),
              "browDown_" + s: down, "browOuterUp_" + s: outer, "eyeSquint_" + s: squint}
    w["browInnerUp_L"] = w["browInnerUp_R"] = inner
    return w
