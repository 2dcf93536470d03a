"""Writes the golden file of the front end for the TypeScript port: python3 -m audio.golden, in training/."""
import json
import os

import numpy as np
import scipy.io.wavfile

import recipe
from audio import frontend

FOLDER = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "golden"))


def signal(rate=16000):
    """1.5 s, signed 16-bit: 0.3 s of digital silence, then a gliding buzz with tremolo and linear-congruential noise."""
    n = int(1.5 * rate)
    state, noise = 12345, np.empty(n)
    for i in range(n):
        state = (1103515245 * state + 12345) % 2 ** 31
        noise[i] = state / 2 ** 30 - 1
    t = np.arange(n) / rate
    phase = 2 * np.pi * (110 * t + 40 * t ** 2)
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25)) * (.6 + .4 * np.sin(2 * np.pi * 4 * t))
    x = (.18 * buzz + .02 * noise) * (t >= .3)
    return np.round(x * 32767).astype(np.int16)


def main():
    pcm = signal()
    samples = pcm / 32768
    audio = recipe.AUDIO
    bands = np.arange(audio["bands"])
    normalisation = {"kind": "running-mean", "prior": (-3 - bands / 40).tolist(), "priorFrames": 100, "maxFrames": 120,
                     "scale": (2 + bands / 80).tolist(), "updateAbove": -10.5}
    bank = frontend.mel_filterbank(audio)
    count = frontend.video_frames(len(samples), audio)
    mel = frontend.log_mel(samples, audio, frontend.centre(count - 1, audio) + audio["contextFrames"] // 2)
    all_windows = frontend.windows(samples, audio, normalisation)
    frames = (0, 1, 7, 8, 20, count - 1)

    def short(values):
        return [float(f"{v:.9g}") for v in np.ravel(values)]

    golden = {
        "source": "training/audio/golden.py: numpy float64 of the audio recipe in bundles/README.md",
        "tolerance": {"filterbank": 1e-9, "logMel": 1e-6, "windows": 1e-5},
        "wav": "audio-frontend.wav",
        "sampleScale": "signed 16-bit / 32768",
        "audio": audio, "normalisation": normalisation, "fps": {"numerator": 25, "denominator": 1},
        "filterbank": {"shape": list(bank.shape), "sum": float(bank.sum()), "rowSums": short(bank.sum(1)),
                       "row10": {"firstBin": int(np.flatnonzero(bank[10])[0]), "values": short(bank[10][bank[10] > 0])},
                       "row79": {"firstBin": int(np.flatnonzero(bank[79])[0]), "values": short(bank[79][bank[79] > 0])}},
        "logMel": {"frames": len(mel), "sum": float(mel.sum()),
                   "rows": {str(n): short(mel[n]) for n in (0, 28, 30, 60, 149, 150, len(mel) - 1)}},
        "windows": {"videoFrames": count, "shape": [audio["contextFrames"], audio["bands"]],
                    "centres": {str(i): frontend.centre(i, audio) for i in frames},
                    "sums": {str(i): float(all_windows[i].astype(np.float64).sum()) for i in frames},
                    "meanOverBands": {str(i): short(all_windows[i].astype(np.float64).mean(1)) for i in frames},
                    "rows": {f"{i}:{k}": short(all_windows[i][k]) for i, k in ((0, 0), (0, 40), (8, 32), (20, 63),
                                                                              (count - 1, 63))}},
    }
    os.makedirs(FOLDER, exist_ok=True)
    scipy.io.wavfile.write(os.path.join(FOLDER, "audio-frontend.wav"), audio["sampleRateHz"], pcm)
    with open(os.path.join(FOLDER, "audio-frontend.json"), "w", encoding="utf8") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
