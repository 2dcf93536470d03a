"""The encoder's training code against the front end and itself. Run in training/: python3 -m unittest audio.test_audio"""
import unittest

import numpy as np

try:
    import torch
except ImportError as error:
    raise unittest.SkipTest(f"needs PyTorch: {error}")

import recipe
from audio import evaluate, frontend, merge, train
from audio.model import RECEPTIVE_FIELD, STRIDE, TARGETS, Trained

BANDS = recipe.AUDIO["bands"]
NORMALISATION = {"kind": "running-mean", "prior": [-5.] * BANDS, "priorFrames": 100, "maxFrames": 400,
                 "scale": [2.] * BANDS, "updateAbove": -10.5}


class Windows(unittest.TestCase):
    def test_a_clip_at_once_equals_its_windows(self):
        samples = np.random.default_rng(0).standard_normal(16000) * .1
        count = frontend.video_frames(len(samples), recipe.AUDIO)
        mel = frontend.log_mel(samples, recipe.AUDIO, frontend.centre(count - 1, recipe.AUDIO) + 32)
        clip = (mel[None], None, "espeak", "en")
        sequence = train.cut_sequence(train.normalise_all([clip], NORMALISATION)[0][0], 0, count)
        windows = frontend.windows(samples, recipe.AUDIO, NORMALISATION)
        self.assertEqual(len(sequence), RECEPTIVE_FIELD + STRIDE * (count - 1))
        torch.manual_seed(0)
        net = Trained().eval()
        with torch.no_grad():
            whole = net.encoder.sequence(torch.from_numpy(sequence).float()[None])[0].numpy()
            each = net.encoder(torch.from_numpy(windows)).numpy()
        self.assertEqual(whole.shape, each.shape)
        self.assertGreater(each.std(), .01)
        # The training copy holds log-mel in 16 bits.
        self.assertLess(np.abs(whole - each).max(), .02 * each.std() + .01)

    def test_features_of_a_frame_come_from_its_own_window(self):
        torch.manual_seed(0)
        net = Trained().eval()
        mel = torch.randn(1, recipe.AUDIO["contextFrames"], BANDS, requires_grad=True)
        net.encoder(mel).sum().backward()
        used = np.flatnonzero(np.abs(mel.grad[0].numpy()).sum(1))
        self.assertEqual(used[0] + used[-1], 2 * (recipe.AUDIO["contextFrames"] // 2))  # centred on the frame's middle
        self.assertLessEqual(len(used), RECEPTIVE_FIELD)


class Merge(unittest.TestCase):
    def test_two_encoders_read_the_mean_of_both(self):
        torch.manual_seed(1)
        nets = [Trained().eval(), Trained().eval()]
        checkpoint = {"normalisation": NORMALISATION, "width": 128, "norm": "layer"}
        g = np.random.default_rng(3)
        clips = [(g.standard_normal((1, 4 * 40 + 32, BANDS)).astype(np.float16) * 3 - 5, np.zeros((40, 1)))
                 for _ in range(8)]
        both = merge.merge(nets, [checkpoint, dict(checkpoint)], clips)
        mel = torch.randn(5, recipe.AUDIO["contextFrames"], BANDS)
        with torch.no_grad():
            wanted, got = (nets[0](mel) + nets[1](mel)) / 2, both(mel)
        self.assertLess((got - wanted).abs().max().item(), .02 * wanted.std().item())
        with self.assertRaisesRegex(SystemExit, "differ in width"):
            merge.merge(nets, [checkpoint, {**checkpoint, "width": 96}], clips)


class Scores(unittest.TestCase):
    def setUp(self):
        g = np.random.default_rng(1)
        smooth = np.convolve(g.standard_normal(320), np.ones(5) / 5, "same")
        self.truth, self.early = smooth[10:310], smooth[12:312]

    def test_lag_is_how_far_the_truth_runs_behind(self):
        scores = [evaluate.correlation(self.early, self.truth, lag) for lag in evaluate.LAGS]
        self.assertEqual(list(evaluate.LAGS)[int(np.argmax(scores))], 2)
        self.assertGreater(max(scores), .99)

    def test_missing_frames_are_left_out_and_wrong_sound_is_at_chance(self):
        holes = self.truth.copy()
        holes[50:80] = np.nan
        self.assertGreater(evaluate.correlation(self.truth, holes, 0), .99)
        g = np.random.default_rng(2)
        clips = {}
        for name in "abcdef":
            curve = np.convolve(g.standard_normal(300), np.ones(5) / 5, "same")
            clips[name] = (curve, {"aperture": curve, "width": -curve})
        scores = evaluate.real_scores(lambda samples: {"aperture": samples, "width": -samples}, clips)
        self.assertEqual(scores["lagFrames"], 0)
        self.assertGreater(scores["aperture"], .99)
        self.assertLess(abs(scores["apertureWrong"]), .15)

    def test_correlation_loss_ignores_size_and_offset(self):
        x = torch.from_numpy(np.stack([self.truth, self.early], 1)).float()[None]
        self.assertLess(train.correlation_loss(3 * x + 5, x).item(), 1e-3)
        self.assertGreater(train.correlation_loss(-x, x).item(), 1.9)
        self.assertEqual(len(TARGETS), 27)


if __name__ == "__main__":
    unittest.main()
