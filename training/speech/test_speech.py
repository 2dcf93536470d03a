"""Timing, determinism and augmentation of the speech data engine. Run in training/: python3 -m unittest speech.test_speech"""
import os
import shutil
import subprocess
import unittest

import numpy as np

from speech import augment as aug
from speech import texts, voices
from speech.clip import make_clip
from speech.curves import Style, mouth_curves
from speech.engines import Voice, speak
from speech.phones import visemes_of
from speech.visemes import CHANNELS, INDEX, VISEMES, lip_geometry

ENGINES = (Voice("espeak", "en-us", "en"), Voice("flite", "rms", "en"), Voice("festival", "kal_diphone", "en"),
           Voice("festival-hts", "cmu_us_slt_arctic_hts", "en"))
HOP_S = .005


def setUpModule():
    missing = [tool for tool in ("make", "gcc", "espeak-ng", "flite", "festival", "ffmpeg") if not shutil.which(tool)]
    missing += [name for name in ("english/kal_diphone", "us/cmu_us_slt_arctic_hts", "finnish/suo_fi_lj_diphone",
                                  "russian/msu_ru_nsh_clunits", "czech/czech_dita", "catalan/upc_ca_ona_hts")
                if not os.path.isdir(f"/usr/share/festival/voices/{name}")]
    if missing:
        raise unittest.SkipTest(f"not installed: {', '.join(missing)} (apt install $(make -sC training/speech packages))")
    subprocess.run(["make", "-s", "-C", os.path.dirname(os.path.abspath(__file__))], check=True)


def frication(samples):
    """Log ratio of energy above and below 3.5 kHz, every 5 ms, of the 25 ms around each time."""
    hop = int(16000 * HOP_S)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (200, 400)), 400)[:len(samples):hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(400), 512)) ** 2
    return np.log(power[:, 112:].sum(1) + 1e-7) - np.log(power[:, 8:100].sum(1) + 1e-7)


class Timing(unittest.TestCase):
    def test_hissing_sounds_where_the_labels_say(self):
        for voice in ENGINES:
            lags = range(-10, 11)
            score = np.zeros(len(lags))
            for text in ("She sells fresh fish by the shore.", "His sister chose six cheap shoes.",
                         "This city has such a nice church."):
                spoken = speak(voice, text)
                x = frication(spoken.samples)
                t = np.arange(len(x)) * HOP_S
                label = np.zeros(len(x))
                for start, end, viseme in spoken.segments:
                    if viseme in ("SS", "CH"):
                        label[(t >= start) & (t < end)] = 1
                score += [np.corrcoef(x[10 + k:len(x) - 10 + k], label[10:-10])[0, 1] for k in lags]
            best = lags[int(np.argmax(score))] * HOP_S
            self.assertLessEqual(abs(best), .0151, voice)
            self.assertGreater(score.max() / 3, .45, voice)

    def test_segments_cover_the_sound_without_gaps(self):
        for voice in ENGINES:
            spoken = speak(voice, "Maybe the blue boat moved.")
            self.assertEqual(spoken.segments[0][0], 0)
            for (_, end, _), (start, _, _) in zip(spoken.segments, spoken.segments[1:]):
                self.assertAlmostEqual(end, start, places=6)
            self.assertLess(abs(spoken.segments[-1][1] - len(spoken.samples) / 16000), .12, voice)

    def test_lips_close_on_bilabials_and_open_on_vowels(self):
        segments = [(0, .4, "sil"), (.4, .5, "PP"), (.5, .75, "aa"), (.75, .85, "PP"), (.85, 1.1, "ou"), (1.1, 1.6, "sil")]
        aperture, width = lip_geometry(mouth_curves(segments, 1.6, Style(lead_s=0.)))
        frame = {name: int(time * 25) for name, time in (("p", .46), ("a", .62), ("p2", .8), ("u", .98))}
        self.assertLess(aperture[frame["p"]], .02)
        self.assertLess(aperture[frame["p2"]], .02)
        self.assertGreater(aperture[frame["a"]], .08)
        self.assertLess(width[frame["u"]], width[frame["a"]] - .03)
        self.assertEqual(int(np.argmax(aperture)), frame["a"])

    def test_speed_change_keeps_labels_on_the_sound(self):
        clip = make_clip(3)
        voiced = [10 * np.log10(np.mean(clip["wav"][int(a * 16000):int(b * 16000)] ** 2) + 1e-9)
                  for a, b, v in clip["meta"]["segments"] if v in ("aa", "E", "oo", "ii") and b - a > .04]
        silent = [10 * np.log10(np.mean(clip["wav"][int(a * 16000):int(b * 16000)] ** 2) + 1e-9)
                  for a, b, v in clip["meta"]["segments"] if v == "sil" and b - a > .1]
        self.assertGreater(np.median(voiced) - np.median(silent), 12)


class Clips(unittest.TestCase):
    def test_same_seed_same_clip(self):
        for seed in (0, 1, 2):
            a, b = make_clip(seed), make_clip(seed)
            np.testing.assert_array_equal(a["wav"], b["wav"])
            np.testing.assert_array_equal(a["curves"], b["curves"])
        self.assertFalse(np.array_equal(make_clip(0)["wav"][:1000], make_clip(0, "test")["wav"][:1000]))

    def test_shapes_and_ranges(self):
        clip = make_clip(5, "engine-heldout")
        self.assertEqual(clip["meta"]["engine"], "festival-hts")
        self.assertEqual(clip["curves"].shape, (len(clip["wav"]) // 640, len(CHANNELS)))
        self.assertEqual(len(clip["wav"]) % 640, 0)
        self.assertTrue(0 <= clip["curves"].min() and clip["curves"].max() <= 1)
        self.assertGreater(clip["curves"][:, INDEX["jawOpen"]].std(), .02)
        with self.assertRaises(ValueError):
            make_clip(0, "validation")

    def test_splits_share_no_voice(self):
        sets = {split: set(voices.all_voices(split)) - {Voice("espeak", "en-us", "en-us"), Voice("espeak", "en", "en")}
                for split in voices.SPLITS}
        self.assertFalse(sets["train"] & sets["test"])
        self.assertFalse({v.engine for v in sets["train"]} & {v.engine for v in sets["engine-heldout"]})

    def test_every_language_has_texts_and_visemes(self):
        g = np.random.default_rng(0)
        for split in voices.SPLITS:
            for voice in voices.all_voices(split):
                self.assertTrue(texts.draw(voice.language, split, g))
        for name in VISEMES:
            self.assertEqual(VISEMES[name][0].shape, (len(CHANNELS),))

    def test_unknown_phone_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "no viseme"):
            visemes_of("qq", "en")
        with self.assertRaisesRegex(ValueError, "no viseme"):
            visemes_of("☃", "en", ipa=True)


class Augmentation(unittest.TestCase):
    def setUp(self):
        self.wav = make_clip(1)["wav"]

    def level(self, x):
        return np.log(np.convolve(x ** 2, np.ones(400) / 400, "same")[::80] + 1e-6)

    def test_keeps_length_and_time(self):
        g = np.random.default_rng(1)
        chain = {"throat": aug.throat(self.wav, 1.15, .9), "equalise": aug.equalise(self.wav, g),
                 "narrow_band": aug.narrow_band(self.wav), "noise": aug.add_noise(self.wav, g, 30),
                 "codec": aug.codec(self.wav, g)}
        a = self.level(self.wav)
        for name, out in chain.items():
            self.assertEqual(len(out), len(self.wav), name)
            b = self.level(out)
            scores = [np.corrcoef(a[20:-20], b[20 + k:len(b) - 20 + k])[0, 1] for k in range(-8, 9)]
            self.assertLessEqual(abs(int(np.argmax(scores)) - 8), 1, name)
            self.assertGreater(max(scores), .85, name)

    def test_same_state_same_sound(self):
        a = aug.augment(self.wav, np.random.default_rng(7))
        np.testing.assert_array_equal(a, aug.augment(self.wav, np.random.default_rng(7)))
        self.assertLessEqual(np.abs(a).max(), 1)
        with self.assertRaises(ValueError):
            aug.augment(self.wav, np.random.default_rng(7), 2)


if __name__ == "__main__":
    unittest.main()
