"""The front end against its definition. Run in training/: python3 -m unittest audio.test_frontend"""
import unittest

import numpy as np

import recipe
from audio import frontend
from audio.golden import signal

BANDS = recipe.AUDIO["bands"]
NORMALISATION = {"kind": "running-mean", "prior": [-5.] * BANDS, "priorFrames": 100, "maxFrames": 400,
                 "scale": [2.] * BANDS, "updateAbove": -10.5}


class FrontEnd(unittest.TestCase):
    def setUp(self):
        self.samples = signal() / 32768

    def test_windows_do_not_see_the_future(self):
        whole = frontend.windows(self.samples, recipe.AUDIO, NORMALISATION)
        for frame in (3, 10, 17):
            # The window's last log-mel frame is c + 31; it ends 200 samples after its centre.
            need = (frontend.centre(frame, recipe.AUDIO) + 31) * 160 + 200
            part = frontend.windows(self.samples[:need], recipe.AUDIO, NORMALISATION)
            np.testing.assert_array_equal(part[frame], whole[frame])

    def test_a_click_lands_in_the_middle_of_its_video_frame(self):
        samples = np.zeros(16000)
        samples[int(10.5 / 25 * 16000)] = 1
        mel = frontend.log_mel(samples, recipe.AUDIO, 100)
        self.assertEqual(int(np.argmax(mel.sum(1))), frontend.centre(10, recipe.AUDIO))
        self.assertEqual(frontend.centre(10, recipe.AUDIO), 42)

    def test_a_tone_excites_the_band_at_its_frequency(self):
        t = np.arange(16000) / 16000
        mel = frontend.log_mel(.5 * np.sin(2 * np.pi * 1000 * t), recipe.AUDIO, 100)[50]
        peak = frontend.mel_filterbank(recipe.AUDIO)[int(np.argmax(mel))]
        self.assertLess(abs(np.argmax(peak) * 16000 / 512 - 1000), 40)

    def test_loudness_is_normalised_away_and_silence_does_not_move_the_mean(self):
        speech = np.tile(self.samples[4800:], 8)
        loud = frontend.normalise(frontend.log_mel(speech, recipe.AUDIO, 900), NORMALISATION)
        soft = frontend.normalise(frontend.log_mel(speech * .25, recipe.AUDIO, 900), NORMALISATION)
        self.assertLess(np.abs(loud - soft)[800:, :70].mean(), .1)
        gap = np.concatenate([speech, np.zeros(16000 * 20), speech])
        again = frontend.normalise(frontend.log_mel(gap, recipe.AUDIO, 3800), NORMALISATION)
        start = (len(speech) + 16000 * 20) // 160
        self.assertLess(np.abs(again[start + 5:start + 100].mean() - loud[805:900].mean()), .3)

    def test_edges(self):
        self.assertEqual(len(frontend.windows(np.zeros(0), recipe.AUDIO, NORMALISATION)), 0)
        self.assertEqual(len(frontend.windows(np.zeros(1), recipe.AUDIO, NORMALISATION)), 1)
        self.assertEqual(len(frontend.windows(np.zeros(641), recipe.AUDIO, NORMALISATION)), 2)
        silent = frontend.windows(np.zeros(1280), recipe.AUDIO, NORMALISATION)
        np.testing.assert_allclose(silent, (np.log(1e-5) + 5) / 2, atol=1e-6)


if __name__ == "__main__":
    unittest.main()
