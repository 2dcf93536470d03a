"""Untrained stand-ins of every graph, small enough for tests, that behave sensibly: see `export.tiny`."""
import torch
import torch.nn.functional as F
from torch import nn

from models.denoiser import Denoiser


class PoolEncoder(nn.Module):
    """The mean colour of each 8 x 8 block, and the horizontal luma step inside it as the fourth channel."""

    def forward(self, image):
        pooled = F.avg_pool2d(image, 8)
        halves = F.avg_pool2d(image.mean(1, keepdim=True), (8, 4))
        return torch.cat([pooled, halves[..., 1::2] - halves[..., 0::2]], 1)


class PoolDecoder(nn.Module):
    """The colours enlarged bilinearly, with the luma step put back into the two halves of each block."""

    def forward(self, latents):
        colour = F.interpolate(latents[:, :3], scale_factor=8.0, mode="bilinear", align_corners=False)
        step = latents[:, 3:] * 0.25
        pair = F.pixel_shuffle(torch.cat([-step, step, -step, step], 1), 2)
        return (colour + F.interpolate(pair, scale_factor=4.0, mode="nearest")).clamp(-1, 1)


class NearReferenceDenoiser(nn.Module):
    """The reference plus a bounded, random function of every input: x0 stays an image, and no input is ignored."""

    def __init__(self, context, change=0.25):
        super().__init__()
        self.net, self.change = Denoiser(channels=(8, 16, 16), context=context, embedding=32, groups=4, heads=2), change
        for module in self.net.modules():  # Denoiser starts as an identity; a test model must react to its inputs
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, 0, 1.0 / module.weight[0].numel() ** 0.5)

    def forward(self, latents, masked, reference, timesteps, context):
        return reference + self.change * torch.tanh(self.net(latents, masked, reference, timesteps, context))


class CentredBox(nn.Module):
    """One box, always the same, with score 1: boxes [B, 1, 4] in pixels of the input, scores [B, 1]."""

    def __init__(self, box):
        super().__init__()
        self.register_buffer("box", torch.tensor(box, dtype=torch.float32)[None, None])

    def forward(self, image):
        zero = image[:, 0, :1, 0] * 0
        return self.box + zero[:, :, None], 1 + zero


class MeanFace(nn.Module):
    """The same 68 points for every image: points [B, 68, 2] in [0, 1], visibility [B, 68], confidence [B]."""

    def __init__(self, points):
        super().__init__()
        self.register_buffer("points", torch.tensor(points, dtype=torch.float32)[None])

    def forward(self, image):
        zero = image[:, 0, 0, :1] * 0
        return self.points + zero[:, :, None], 1 + zero.expand(-1, 68), 1 + zero[:, 0]
