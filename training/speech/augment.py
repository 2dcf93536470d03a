"""What rooms, microphones, codecs and other throats do to a voice. Times never change, so labels stay exact."""
import subprocess

import numpy as np
import scipy.signal

from speech.engines import SAMPLE_RATE_HZ, SpeechError

_FFT, _HOP = 512, 128


def _stft(x):
    return scipy.signal.stft(x, nperseg=_FFT, noverlap=_FFT - _HOP, boundary="even")[2]


def _istft(z, n):
    x = scipy.signal.istft(z, nperseg=_FFT, noverlap=_FFT - _HOP, boundary=True)[1]
    return np.pad(x, (0, max(0, n - len(x))))[:n].astype(np.float32)


def _envelope(magnitude, lifter=26):
    cepstrum = np.fft.irfft(np.log(magnitude + 1e-7), axis=0)
    cepstrum[lifter:-lifter + 1] = 0
    return np.exp(np.fft.rfft(cepstrum, axis=0).real)


def throat(wav, formants, pitch=1.):
    """Scales formant frequencies (vocal-tract length) and pitch separately, keeping time: the spectral envelope is
    warped by `formants`; the excitation by `pitch`, with a phase vocoder."""
    z = _stft(wav)
    magnitude = np.abs(z)
    envelope = _envelope(magnitude)
    excitation = magnitude / envelope
    bins = np.arange(len(z))

    def warp(columns, factor):
        at = np.clip(bins / factor, 0, len(bins) - 1)
        low = np.minimum(at.astype(int), len(bins) - 2)
        part = (at - low)[:, None]
        return columns[low] * (1 - part) + columns[low + 1] * part

    phase = np.angle(z)
    if pitch != 1.:
        excitation = warp(excitation, pitch)
        expected = 2 * np.pi * _HOP * bins[:, None] / _FFT
        step = np.diff(phase, axis=1) - expected
        step = expected + (step + np.pi) % (2 * np.pi) - np.pi
        source = np.clip(np.round(bins / pitch).astype(int), 0, len(bins) - 1)
        phase = np.cumsum(np.concatenate([phase[source, :1], step[source] * pitch], 1), 1)
    return _istft(excitation * warp(envelope, formants) * np.exp(1j * phase), len(wav))


def equalise(wav, rng, strength_db=8.):
    """A smooth random frequency response."""
    hz = np.fft.rfftfreq(len(wav), 1 / SAMPLE_RATE_HZ)
    octave = np.log2(np.maximum(hz, 50) / 50)
    knots = np.linspace(0, 7.4, 7)
    gain = np.interp(octave, knots, rng.normal(0, strength_db / 2, 7))
    return np.fft.irfft(np.fft.rfft(wav) * 10 ** (gain / 20), len(wav)).astype(np.float32)


def reverberate(wav, rng):
    """A synthetic room: exponentially decaying noise behind the direct sound, T60 0.1 to 0.7 s."""
    t60, n = rng.uniform(.1, .7), int(.5 * SAMPLE_RATE_HZ)
    t = np.arange(n) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(n) * 10 ** (-3 * t / t60) * (t > .002)
    tail = scipy.signal.lfilter([1 - (k := rng.uniform(.2, .7))], [1, -k], tail)
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt((tail ** 2).sum())
    tail[0] = 1.
    return scipy.signal.fftconvolve(wav, tail)[:len(wav)].astype(np.float32)


def add_noise(wav, rng, snr_db):
    """Coloured noise, sometimes swelling, with a hum at times."""
    n = len(wav)
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * (hz + 40) ** -rng.uniform(0, 1.), n)
    if rng.random() < .4:
        swell = np.interp(np.arange(n), np.linspace(0, n, 8), rng.uniform(.2, 1.5, 8))
        noise = noise * swell
    noise /= np.std(noise) + 1e-9
    if rng.random() < .2:
        noise += np.sin(2 * np.pi * rng.choice([50, 60]) * np.arange(n) / SAMPLE_RATE_HZ) * rng.uniform(.3, 1.5)
    return (wav + noise * np.std(wav) * 10 ** (-snr_db / 20)).astype(np.float32)


def narrow_band(wav):
    """Through 8 kHz and back, as a telephone."""
    low = scipy.signal.resample_poly(wav, 1, 2)
    return scipy.signal.resample_poly(low, 2, 1)[:len(wav)].astype(np.float32)


def _lag(a, b, limit):
    """Samples by which b runs behind a, at most `limit` either way."""
    product = np.fft.irfft(np.fft.rfft(b, 2 * len(a)) * np.conj(np.fft.rfft(a, 2 * len(a))))
    return int(np.argmax(np.r_[product[-limit:], product[:limit + 1]])) - limit


def codec(wav, rng):
    """MP3, Opus or AAC at a low rate, through ffmpeg, with the codec's delay taken out."""
    name, kind, options = [("libmp3lame", "mp3", ("16k", "24k", "48k")), ("libopus", "ogg", ("8k", "12k", "24k")),
                           ("aac", "adts", ("24k", "48k"))][int(rng.integers(3))]
    rate = str(rng.choice(options))
    raw = ["-f", "s16le", "-ar", str(SAMPLE_RATE_HZ), "-ac", "1"]
    data = (np.clip(wav, -1, 1) * 32767).astype("<i2").tobytes()
    for command in (["ffmpeg", "-v", "error", *raw, "-i", "-", "-c:a", name, "-b:a", rate, "-f", kind, "-"],
                    ["ffmpeg", "-v", "error", "-i", "-", *raw, "-"]):
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=60)
        except FileNotFoundError as error:
            raise SpeechError("ffmpeg is not installed") from error
        if done.returncode:
            raise SpeechError(f"ffmpeg {name} failed: {done.stderr.decode(errors='replace')[:200]}")
        data = done.stdout
    out = np.frombuffer(data, "<i2").astype(np.float32) / 32768
    out = np.pad(out, (0, max(0, len(wav) + 4000 - len(out))))
    late = _lag(wav, out[:len(wav)], 3000)
    out = out[late:late + len(wav)] if late >= 0 else np.pad(out, (-late, 0))[:len(wav)]
    return out.astype(np.float32)


def augment(wav, rng, strength=1.):
    """A random chain of the above; [samples] float32 at 16 kHz in, the same length out, in [-1, 1].

    strength 0 to 1 scales how often and how far; 0.5 is mild. The same rng state gives the same result.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be in 0 to 1, not {strength}")
    x = np.asarray(wav, np.float32)

    def chance(p):
        return rng.random() < p * strength

    if chance(.8):
        x = throat(x, float(np.exp(rng.normal(0, .1 * strength))),
                   float(np.exp(rng.normal(0, .12 * strength))) if rng.random() < .4 else 1.)
    if chance(.7):
        x = equalise(x, rng, 8 * strength)
    if chance(.45):
        x = reverberate(x, rng)
    if chance(.6):
        x = add_noise(x, rng, rng.uniform(8, 40))
    if chance(.15):
        x = narrow_band(x)
    if chance(.15):
        x = codec(x, rng)
    x = x * 10 ** (rng.uniform(-12, 9) * strength / 20)
    return np.clip(x, -1, 1).astype(np.float32)
