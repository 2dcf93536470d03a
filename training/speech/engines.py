"""Speech engines: text to samples and phone times. Each call is a short-lived process, so results do not depend on
what was spoken before."""
import os
import subprocess
import tempfile
from dataclasses import dataclass

import numpy as np
import scipy.io.wavfile
import scipy.signal

from speech.phones import visemes_of

SAMPLE_RATE_HZ = 16000
HERE = os.path.dirname(os.path.abspath(__file__))
ESPEAK_PHONEMES = os.path.join(HERE, "build", "espeak_phonemes")
# Festival reads 8-bit text in the voice's own encoding.
FESTIVAL_ENCODING = {"en": "ascii", "it": "latin-1", "fi": "latin-1", "ca": "latin-1", "cs": "iso8859-2"}


class SpeechError(RuntimeError):
    """An engine is missing, or it could not speak a text."""


@dataclass(frozen=True)
class Voice:
    """engine: espeak | flite | festival | festival-hts. name: as the engine calls it."""
    engine: str
    name: str
    language: str


@dataclass
class Utterance:
    """samples: float32 mono at 16 kHz; segments: (start s, end s, viseme), gapless and in order; phones: the
    engine's own names, for inspection."""
    samples: np.ndarray
    segments: list
    phones: list


def _run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, **options)
    except FileNotFoundError as error:
        raise SpeechError(f"{command[0]} is not installed or not built: run make in training/speech") from error
    if done.returncode != 0:
        raise SpeechError(f"{os.path.basename(command[0])} failed ({done.returncode}): "
                          f"{done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout


def _to_16k(samples, rate_hz):
    samples = samples.astype(np.float32) / 32768
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    gcd = np.gcd(rate_hz, SAMPLE_RATE_HZ)
    return scipy.signal.resample_poly(samples, SAMPLE_RATE_HZ // gcd, rate_hz // gcd).astype(np.float32)


def _utterance(samples, phones, language, ipa=False):
    """phones: (start, end, name), gapless. Diphthongs and affricates share their time evenly."""
    segments = []
    for start, end, name in phones:
        if end <= start:
            continue
        visemes = visemes_of(name, language, ipa)
        if not visemes:
            if segments:
                segments[-1] = (segments[-1][0], end, segments[-1][2])
            continue
        for i, viseme in enumerate(visemes):
            segments.append((start + (end - start) * i / len(visemes), start + (end - start) * (i + 1) / len(visemes),
                             viseme))
    if not any(viseme != "sil" for _, _, viseme in segments):
        raise SpeechError("the engine spoke nothing")
    return Utterance(samples, segments, phones)


def _espeak(voice, text, rate, pitch, pitch_range, folder):
    pcm, tsv = os.path.join(folder, "a.pcm"), os.path.join(folder, "a.tsv")
    _run([ESPEAK_PHONEMES, voice.name, str(rate), str(pitch), str(pitch_range), pcm, tsv], input=text.encode())
    with open(tsv, encoding="utf8") as file:
        lines = file.read().split("\n")
    rate_hz, total, starts = int(lines[0].split()[1]), float(lines[-2].split()[1]) / 1000, []
    for line in lines[1:-2]:
        start, name = line.split("\t")
        starts.append((int(start) / 1000, name))
    ends = [start for start, _ in starts[1:]] + [total]
    phones = [(start, end, name) for (start, name), end in zip(starts, ends)]
    # An unnamed event shorter than a stop is a transition inside a word (before a trilled r), not a pause.
    phones = [(start, end, "ˑ" if name == "" and end - start < .05 and i else name)
              for i, (start, end, name) in enumerate(phones)]
    if phones and phones[0][0] > 0:
        phones.insert(0, (0., phones[0][0], ""))
    return _utterance(_to_16k(np.fromfile(pcm, np.int16), rate_hz), phones, voice.language, ipa=True)


def _flite(voice, text, stretch, folder):
    path = os.path.join(folder, "a.wav")
    out = _run(["flite", "-voice", voice.name, "-psdur", "--setf", f"duration_stretch={stretch:.3f}", "-t", text,
                "-o", path])
    rate_hz, samples = scipy.io.wavfile.read(path)
    phones, start = [], 0.
    for token in out.decode().split():
        name, end = token.rsplit(":", 1)
        phones.append((start, float(end), name))
        start = float(end)
    return _utterance(_to_16k(samples, rate_hz), phones, voice.language)


def _festival(voice, text, stretch, folder):
    wav, segs, scheme = (os.path.join(folder, name) for name in ("a.wav", "a.segs", "a.scm"))
    quoted = text.replace("\\", "").replace('"', "")
    program = (f"(Parameter.set 'Audio_Method nil)(voice_{voice.name})(Parameter.set 'Duration_Stretch {stretch:.3f})"
               f'(set! u (utt.synth (Utterance Text "{quoted}")))'
               f'(utt.save.wave u "{wav}" \'riff)(utt.save.segs u "{segs}")')
    with open(scheme, "wb") as file:
        file.write(program.encode(FESTIVAL_ENCODING.get(voice.language, "utf8"), errors="replace"))
    _run(["festival", "-b", scheme])
    if not os.path.exists(wav):
        raise SpeechError(f"festival has no voice {voice.name}: apt install $(make packages)")
    rate_hz, samples = scipy.io.wavfile.read(wav)
    phones, start = [], 0.
    with open(segs, encoding="latin-1") as file:
        for line in file.read().split("#\n", 1)[1].splitlines():
            end, _, name = line.split(None, 2)
            phones.append((start, float(end), name.strip()))
            start = float(end)
    return _utterance(_to_16k(samples, rate_hz), phones, voice.language)


def speak(voice, text, stretch=1., pitch=50, pitch_range=50):
    """Speaks a text. stretch: 1 is the voice's own pace, above is slower. pitch, pitch_range: 0 to 99, espeak only."""
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        if voice.engine == "espeak":
            return _espeak(voice, text, int(round(165 / stretch)), pitch, pitch_range, folder)
        if voice.engine == "flite":
            return _flite(voice, text, stretch, folder)
        if voice.engine in ("festival", "festival-hts"):
            return _festival(voice, text, stretch, folder)
    raise ValueError(f"unknown engine {voice.engine!r}")
