"""python3 -m unittest train.test_training (in training/; needs torch, numpy and OpenCV, 5 s)"""
import json
import os
import tempfile
import unittest

import numpy as np
import torch

import recipe
from heads.mean_face import MEAN_FACE
from models.conditioner import Conditioner
from models.denoiser import Denoiser
from train import schedule
from train.augment import MIRROR
from train.denoiser import window_indices
from train.loop import TrainingError, load_weights, read_checkpoint, train

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "test", "golden", "diffusion-schedule.json")
OPEN_CHIN_Y = 464.6  # point 8 of the mean head at jawOpen 1 (heads.mean_face geometry)


class Recipe(unittest.TestCase):
    def test_crop_undoes_a_similarity(self):
        turn, scale = .3, 1.7
        m = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        frame = (np.array(MEAN_FACE) - [40, -20]) @ np.linalg.inv(m).T
        t = recipe.crop_transform(frame)
        self.assertLess(np.abs(frame @ t[:, :2].T + t[:, 2] - MEAN_FACE).max(), .02)

    def test_mask_covers_mouth_and_open_chin_and_stays_inside(self):
        mask = recipe.region_mask()
        rows, columns = np.nonzero(mask)
        self.assertGreaterEqual(min(rows.min(), columns.min()), 8)
        self.assertLessEqual(max(rows.max(), columns.max()), 255 - 8)
        for x, y in [*MEAN_FACE[48:68], [256, OPEN_CHIN_Y]]:
            self.assertEqual(mask[int(y) - recipe.REGION["y"], int(x) - recipe.REGION["x"]], 1)

    def test_nothing_visible_moves_with_the_jaw(self):
        self.assertFalse(set(recipe.VISIBLE) & ({*range(2, 15)} | {*range(31, 36)} | {*range(48, 68)}))
        self.assertFalse(set(recipe.ANCHORS) - set(recipe.VISIBLE))

    def test_mirror_is_an_involution_that_swaps_sides(self):
        self.assertTrue((MIRROR[MIRROR] == np.arange(68)).all())
        p = np.array(MEAN_FACE)
        self.assertLess(np.abs(p[MIRROR] * [-1, 1] + [512, 0] - p).max(), 1)

    def test_window_is_zero_padded_at_both_ends(self):
        self.assertEqual(window_indices(0, 50)[1].tolist(), [False] * 4 + [True] * 4)
        self.assertEqual(window_indices(49, 50)[1].tolist(), [True] * 5 + [False] * 3)


class Schedule(unittest.TestCase):
    def test_equals_the_golden_numbers(self):
        with open(GOLDEN, encoding="utf8") as f:
            golden = json.load(f)
        alphas = schedule.alphas_cumprod()
        for t, a in golden["schedule"]["alphasCumprod"].items():
            self.assertAlmostEqual(float(alphas[int(t)]), a, places=6)
        for steps, times in golden["timesteps"]["trailing"].items():
            self.assertEqual(schedule.trailing_timesteps(int(steps)), times)


class Networks(unittest.TestCase):
    def test_every_input_matters(self):
        torch.manual_seed(0)
        net, conditioner = Denoiser(channels=(16, 16, 16), context=192, groups=4, heads=2), Conditioner()
        for p in net.parameters():
            torch.nn.init.normal_(p, 0, .1)
        z = [torch.randn(2, 4, 32, 32) for _ in range(3)]
        heard, marks, t = torch.randn(2, 8, 64), torch.rand(2, len(recipe.VISIBLE), 2), torch.tensor([10, 999])
        base = net(*z, t, conditioner(heard, marks))
        self.assertEqual(tuple(base.shape), (2, 4, 32, 32))
        others = [net(*z[:k], z[k] + 1, *z[k + 1:], t, conditioner(heard, marks)) for k in range(3)]
        others += [net(*z, t - 5, conditioner(heard, marks)), net(*z, t, conditioner(heard + 1, marks)), net(*z, t, conditioner(heard, marks + .1))]
        for other in others:
            self.assertGreater(float((other - base).abs().max()), 1e-5)


class Loop(unittest.TestCase):
    def run_loop(self, path, seconds, loss=None):
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        steps = []

        def loss_of(step, g):
            steps.append(step)
            return loss(net) if loss else (net(torch.ones(1, 3)) ** 2).mean()

        train(path, {"net": net}, loss_of, seconds, report_every=.1)
        return steps

    def test_resumes_where_it_stopped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pt")
            first = self.run_loop(path, .3)
            self.assertEqual(self.run_loop(path, .3), [])
            self.assertEqual(self.run_loop(path, .5)[0], first[-1] + 1)

    def test_stops_on_a_bad_loss_and_keeps_the_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pt")
            self.run_loop(path, .3)
            before = read_checkpoint(path)["step"]
            with self.assertRaisesRegex(TrainingError, "the loss is nan"):
                self.run_loop(path, 9, lambda net: net(torch.full((1, 3), float("nan"))).mean())
            self.assertEqual(read_checkpoint(path)["step"], before)

    def test_lists_every_mismatch(self):
        with self.assertRaisesRegex(TrainingError, r"missing bias; unknown other; weight: \(2, 3\), expected \(1, 3\)"):
            load_weights(torch.nn.Linear(3, 1), {"weight": torch.zeros(2, 3), "other": torch.zeros(1)}, "it")


if __name__ == "__main__":
    unittest.main()
