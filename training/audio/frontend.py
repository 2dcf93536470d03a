"""The log-mel front end, as bundles/README.md defines it and the audio service computes it.

Everything is causal but the window's own right context, so live speech gives the windows of the whole file.
All arithmetic is float64; windows are handed over as float32.
"""
import numpy as np


def hann_periodic(size):
    return .5 - .5 * np.cos(2 * np.pi * np.arange(size) / size)


def mel_filterbank(audio):
    """Triangles [bands, fftSize / 2 + 1], peak 1, corners equally spaced on the HTK mel scale
    (2595 log10(1 + f / 700)) from minHz to maxHz; evaluated at the bin frequencies."""
    def to_mel(hz):
        return 2595 * np.log10(1 + hz / 700)

    corners = 700 * (10 ** (np.linspace(to_mel(audio["minHz"]), to_mel(audio["maxHz"]), audio["bands"] + 2) / 2595) - 1)
    hz = np.arange(audio["fftSize"] // 2 + 1) * audio["sampleRateHz"] / audio["fftSize"]
    rise = (hz - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    fall = (corners[2:, None] - hz) / (corners[2:] - corners[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall))


def log_mel(samples, audio, frames):
    """Log-mel frames 0 .. frames - 1 of mono samples in [-1, 1]: float64 [frames, bands].

    Frame n is centred on sample n * hopSize: it reads samples n * hopSize - windowSize / 2 up to (not including)
    n * hopSize + windowSize / 2; samples before the start and after the end are 0. ln(power . bank + logFloor).
    """
    half, hop, size = audio["windowSize"] // 2, audio["hopSize"], audio["windowSize"]
    need = (frames - 1) * hop + size
    padded = np.concatenate([np.zeros(half), np.asarray(samples, np.float64)])
    padded = np.pad(padded, (0, max(0, need - len(padded))))
    window, bank = hann_periodic(size), mel_filterbank(audio).T
    out = np.empty((frames, audio["bands"]))
    for first in range(0, frames, 4096):  # blocks: memory flat in clip length
        last = min(frames, first + 4096)
        view = np.lib.stride_tricks.sliding_window_view(padded[first * hop:(last - 1) * hop + size], size)[::hop]
        power = np.abs(np.fft.rfft(view * window, audio["fftSize"])) ** 2
        out[first:last] = np.log(power @ bank + audio["logFloor"])
    return out


def normalise(mel, normalisation):
    """The causal running mean: m_0 = prior; for frame n >= 1 (counted over frames that move the mean)
    m_n = m_{n-1} + (x_n - m_{n-1}) / min(n + priorFrames, maxFrames), and y = (x - m_n) / scale.

    A frame whose band mean is not above updateAbove (nepers) is silence: it leaves m and n as they were, and
    y = (x - m_n) / scale with that m. Without updateAbove every frame moves the mean.
    """
    mean = np.array(normalisation["prior"], np.float64)
    scale = np.asarray(normalisation["scale"], np.float64)
    above, count = normalisation.get("updateAbove", -np.inf), 0
    out = np.empty_like(mel)
    for i, x in enumerate(mel):
        if x.mean() > above:
            count += 1
            mean += (x - mean) / min(count + normalisation["priorFrames"], normalisation["maxFrames"])
        out[i] = (x - mean) / scale
    return out


def video_frames(sample_count, audio, fps=25):
    """How many video frames a voice has: every frame that begins before its end."""
    return -(-sample_count * fps // audio["sampleRateHz"])


def centre(frame, audio, fps=25):
    """The log-mel frame nearest to the middle of a video frame, (frame + 0.5) / fps; halves round up."""
    return int(np.floor((frame + .5) / fps * audio["sampleRateHz"] / audio["hopSize"] + .5))


def windows(samples, audio, normalisation, fps=25):
    """audio_features input of every video frame: float32 [frames, contextFrames, bands].

    The window of frame i is log-mel frames c - contextFrames / 2 .. c + contextFrames / 2 - 1, c = centre(i).
    Log-mel frames before 0 are what zero samples give under the first mean: (ln(logFloor) - prior) / scale. Frames
    after the end of the voice are computed like any other, from zero samples.
    """
    count, context = video_frames(len(samples), audio, fps), audio["contextFrames"]
    if count == 0:
        return np.empty((0, context, audio["bands"]), np.float32)
    half = context // 2
    mel = normalise(log_mel(samples, audio, centre(count - 1, audio, fps) + half), normalisation)
    before = (np.log(audio["logFloor"]) - np.asarray(normalisation["prior"])) / np.asarray(normalisation["scale"])
    mel = np.concatenate([np.tile(before, (half, 1)), mel]).astype(np.float32)
    return np.stack([mel[c:c + context] for c in (centre(i, audio, fps) for i in range(count))])
