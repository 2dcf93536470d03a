"""Scores an encoder: on held-out voices and engines against exact labels, and on real speech against measured mouths.

    python3 -m audio.evaluate --checkpoint .cache/audio/encoder.pt [--real FOLDER]      (in training/)

FOLDER holds clip-<name>.wav and mouth-curves.npz with <name>_aperture and <name>_width [frames] at 25 fps. Real clips
choose between encoders; nothing is ever trained on them.
"""
import argparse
import os

import numpy as np
import scipy.io.wavfile
import torch

import recipe
from audio import frontend
from audio.model import TARGETS, load_trained

LAGS = range(-6, 7)
REAL_FRAMES_MIN = 50


def read_real(folder):
    """{name: (samples, {"aperture", "width"})}."""
    with np.load(os.path.join(folder, "mouth-curves.npz")) as z:
        curves = {key: z[key] for key in z.files}
    clips = {}
    for name in sorted({key.rsplit("_", 1)[0] for key in curves}):
        rate, samples = scipy.io.wavfile.read(os.path.join(folder, f"clip-{name}.wav"))
        if rate != recipe.AUDIO["sampleRateHz"] or samples.ndim != 1:
            raise ValueError(f"clip-{name}.wav: 16 kHz mono is needed, not {rate} Hz, {samples.ndim} channels")
        clips[name] = (samples / 32768, {what: curves[f"{name}_{what}"] for what in ("aperture", "width")})
    return clips


def correlation(prediction, truth, lag):
    """Correlation when the truth runs `lag` frames behind the prediction; NaN frames are left out."""
    n = min(len(prediction), len(truth))
    a, b = prediction[max(0, -lag):n - max(0, lag)], truth[max(0, lag):n - max(0, -lag)]
    ok = np.isfinite(b)
    if ok.sum() < REAL_FRAMES_MIN:
        return np.nan
    return float(np.corrcoef(a[ok], b[ok])[0, 1])


def real_scores(predict, clips):
    """predict(samples) -> {"aperture", "width"} per frame. Means over clips at one common lag, which is the best one for
    aperture and width together; per-clip values; and the same with every other clip's sound."""
    predictions = {name: predict(samples) for name, (samples, _) in clips.items()}

    def table(what, lag, wrong=False):
        return {f"{a}>{b}" if wrong else a: correlation(predictions[a][what], clips[b][1][what], lag)
                for a in clips for b in clips if (a != b) == wrong}

    def mean(what, lag, wrong=False):
        return float(np.nanmean(list(table(what, lag, wrong).values())))

    lag = max(LAGS, key=lambda k: mean("aperture", k) + mean("width", k))
    return {"lagFrames": lag, **{what: mean(what, lag) for what in ("aperture", "width")},
            **{f"{what}Lag0": mean(what, 0) for what in ("aperture", "width")},
            **{f"{what}BestLag": max((mean(what, k), k) for k in LAGS) for what in ("aperture", "width")},
            **{f"{what}Wrong": mean(what, lag, True) for what in ("aperture", "width")},
            "clips": {what: table(what, lag) for what in ("aperture", "width")}}


def predictor(net, normalisation):
    def predict(samples):
        with torch.no_grad():
            out = net(torch.from_numpy(frontend.windows(samples, recipe.AUDIO, normalisation))).numpy()
        return {what: out[:, TARGETS.index(what)] for what in ("aperture", "width")}
    return predict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--real", help="folder of real clips")
    args = parser.parse_args()
    torch.set_num_threads(1)
    net, checkpoint = load_trained(args.checkpoint)
    for key, value in checkpoint["figures"].items():
        print(f"{key:24s} {value}")
    if args.real:
        for key, value in real_scores(predictor(net, checkpoint["normalisation"]), read_real(args.real)).items():
            print(f"{key:16s} {value}")


if __name__ == "__main__":
    main()
