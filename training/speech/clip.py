"""make_clip: a seeded clip of speech with the exact mouth that speaks it."""
import argparse

import numpy as np

from speech import texts, voices
from speech.curves import FPS, draw_style, mouth_curves
from speech.engines import SAMPLE_RATE_HZ, SpeechError, Utterance, speak
from speech.visemes import CHANNELS, VOWELS

_SPLIT_KEY = {"train": 1, "test": 2, "engine-heldout": 3}


def _change_speed(utterance, factor):
    """Resamples: pitch, formants and tempo all rise by factor."""
    if abs(factor - 1) < 1e-3:
        return utterance
    n = int(len(utterance.samples) / factor)
    samples = np.interp(np.arange(n) * factor, np.arange(len(utterance.samples)), utterance.samples)
    return Utterance(samples.astype(np.float32), [(a / factor, b / factor, v) for a, b, v in utterance.segments],
                     [(a / factor, b / factor, p) for a, b, p in utterance.phones])


def _append(samples, segments, phones, part):
    at = len(samples) / SAMPLE_RATE_HZ
    end = at + len(part.samples) / SAMPLE_RATE_HZ
    for start, stop, viseme in part.segments:
        segments.append((at + start, min(at + stop, end), viseme))
    if segments[-1][1] < end:  # samples after the last phone
        segments.append((segments[-1][1], end, "sil"))
    phones.extend((at + start, at + stop, name) for start, stop, name in part.phones)
    return np.concatenate([samples, part.samples])


def _silence(seconds, g):
    n = int(seconds * SAMPLE_RATE_HZ)
    return Utterance((g.standard_normal(n) * 3e-5).astype(np.float32), [(0., n / SAMPLE_RATE_HZ, "sil")], [])


def _merge_silence(segments):
    out = []
    for start, end, viseme in segments:
        if end <= start:
            continue
        if out and viseme == "sil" and out[-1][2] == "sil":
            out[-1] = (out[-1][0], end, "sil")
        else:
            out.append((start, end, viseme))
    return out


def _loudness(samples, segments):
    """dB of each segment against the middle vowel of the clip."""
    levels = np.array([10 * np.log10(np.mean(samples[int(a * SAMPLE_RATE_HZ):max(int(b * SAMPLE_RATE_HZ),
                                                     int(a * SAMPLE_RATE_HZ) + 1)] ** 2) + 1e-9)
                       for a, b, _ in segments])
    vowels = np.array([v in VOWELS for _, _, v in segments])
    return levels - np.median(levels[vowels]) if vowels.any() else levels * 0


def _pause_events(segments, samples, g):
    """Breaths and swallows in pauses of 0.4 s and more. Most breaths are heard: shaped noise is added to samples."""
    events = []
    for start, end, viseme in segments:
        if viseme != "sil" or end - start < .4:
            continue
        kind = g.choice(["breath", "swallow", "none"], p=[.4, .12, .48])
        if kind == "none":
            continue
        length = min(end - start - .08, g.uniform(.3, .6))
        # A breath ends where speech begins; a swallow lies anywhere in the pause.
        begin = end - length - .04 if kind == "breath" else start + .04 + g.random() * max(0., end - start - length - .08)
        events.append((str(kind), float(begin), float(begin + length)))
        if kind == "breath" and g.random() < .75:
            lo, n = int(begin * SAMPLE_RATE_HZ), int(length * SAMPLE_RATE_HZ)
            noise = np.fft.rfft(g.standard_normal(n))
            hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
            centre = g.uniform(900, 2200)
            noise = np.fft.irfft(noise * np.exp(-.5 * (np.log2((hz + 1) / centre) / 1.) ** 2), n)
            speech_level = np.sqrt(np.mean(samples ** 2))
            noise *= np.hanning(n) * speech_level * 10 ** (g.uniform(-36, -20) / 20) / (np.std(noise) + 1e-9)
            samples[lo:lo + n] += noise[:len(samples[lo:lo + n])].astype(np.float32)
    return events


def make_clip(seed, split="train", seconds=6., emotion=None, intensity=None):
    """A clip of about `seconds` s of one voice, the same for the same arguments and installed engines.

    Returns wav [samples] float32 mono 16 kHz in [-1, 1], curves [n, C] float32 in [0, 1] at 25 fps (row i is the mouth
    at (i + 0.5) / 25 s), channels (the C names) and meta: engine, voice, language, text, emotion, intensity, style,
    segments (start s, end s, viseme), phones and events. Raises SpeechError when an engine is missing.
    """
    if split not in _SPLIT_KEY:
        raise ValueError(f"split must be one of {tuple(_SPLIT_KEY)}, not {split!r}")
    g = np.random.default_rng((_SPLIT_KEY[split], int(seed)))
    voice, style = voices.draw(split, g), draw_style(g)
    if emotion is not None:
        style.emotion, style.intensity = emotion, 2 if intensity is None else int(intensity)
    stretch, speed = float(g.uniform(.8, 1.25)), float(np.exp(g.normal(0, .06)))
    pitch, pitch_range = int(g.integers(15, 90)), int(g.integers(20, 90))
    samples, segments, phones, spoken = np.zeros(0, np.float32), [], [], []
    samples = _append(samples, segments, phones, _silence(g.uniform(.05, .4), g))
    while len(samples) < seconds * SAMPLE_RATE_HZ:
        text = texts.draw(voice.language, split, g)
        part = _change_speed(speak(voice, text, stretch, pitch, pitch_range), speed)
        samples = _append(samples, segments, phones, part)
        spoken.append(text)
        pause = g.choice([g.uniform(0, .25), g.uniform(.3, 1.1)])
        samples = _append(samples, segments, phones, _silence(pause, g))
    segments = _merge_silence(segments)
    level = np.sqrt(np.mean(samples ** 2))
    if level < 1e-4:
        raise SpeechError(f"{voice.engine} {voice.name} made no sound")
    samples = samples * (10 ** (-23 / 20) / level)
    peak = np.abs(samples).max()
    if peak > .97:
        samples *= .97 / peak
    events = _pause_events(segments, samples, g)
    total_s = len(samples) / SAMPLE_RATE_HZ
    loudness = _loudness(samples, segments)
    curves = mouth_curves(segments, total_s, style, loudness, events)
    samples = samples[:int(np.ceil(len(curves) / FPS * SAMPLE_RATE_HZ))].astype(np.float32)
    return {"wav": samples, "curves": curves, "channels": list(CHANNELS),
            "meta": {"seed": int(seed), "split": split, "engine": voice.engine, "voice": voice.name,
                     "language": voice.language, "text": " ".join(spoken), "emotion": style.emotion,
                     "intensity": style.intensity, "style": style, "segments": segments, "phones": phones,
                     "loudness": [round(float(v), 2) for v in loudness], "events": events, "seconds": total_s}}


def main():
    import scipy.io.wavfile
    parser = argparse.ArgumentParser(description="Writes one clip's sound and prints its visemes.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="train", choices=tuple(_SPLIT_KEY))
    parser.add_argument("--out", required=True, help="WAV file")
    args = parser.parse_args()
    clip = make_clip(args.seed, args.split)
    scipy.io.wavfile.write(args.out, SAMPLE_RATE_HZ, (clip["wav"] * 32767).astype(np.int16))
    meta = clip["meta"]
    print(meta["engine"], meta["voice"], meta["emotion"], meta["intensity"], meta["text"])
    for start, end, viseme in meta["segments"]:
        print(f"{start:7.3f} {end:7.3f} {viseme}")


if __name__ == "__main__":
    main()
