"""The DiffTalk denoiser: a UNet over [x_t, z_masked, z_reference] with one context token.

Cross-attention to a single token has softmax weight 1, so it adds one vector per layer whatever the query. It is
written here as that vector (and a gain beside it) in every residual block.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Residual block with gain and shift from the embedding: [B, a, h, w] to [B, b, h, w]."""

    def __init__(self, a, b, embedding, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, a), nn.Conv2d(a, b, 3, 1, 1)
        self.film = nn.Linear(embedding, 2 * b)
        self.norm2, self.conv2 = nn.GroupNorm(groups, b), nn.Conv2d(b, b, 3, 1, 1)
        self.skip = nn.Conv2d(a, b, 1) if a != b else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x)))
        gain, shift = self.film(e)[:, :, None, None].chunk(2, 1)
        return self.skip(x) + self.conv2(F.silu(self.norm2(h) * (1 + gain) + shift))


class Attention(nn.Module):
    """Spatial self-attention with one residual connection: [B, c, h, w]."""

    def __init__(self, c, heads, groups):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.GroupNorm(groups, c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w).unbind(1)
        weight = torch.softmax(q.transpose(2, 3) @ k / math.sqrt(c // self.heads), -1)
        return x + self.out((v @ weight.transpose(2, 3)).reshape(b, c, h, w))


class Denoiser(nn.Module):
    """latents, masked, reference [B, C, h, w]; timesteps [B] int64 in 0..999; context [B, 1, D] to prediction [B, C, h, w].

    channels: width at h, h/2 and h/4. The prediction is x0: what the network paints, plus the share of the reference that
    it keeps, per latent. Where the reference stands as the head does now (a still picture, the frame before), texture
    passes through and only the mouth is painted.
    """

    def __init__(self, latent=4, channels=(64, 128, 160), context=192, embedding=192, groups=8, heads=4):
        super().__init__()
        a, b, c = channels
        self.frequencies = 32
        self.time = nn.Sequential(nn.Linear(2 * self.frequencies, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.context = nn.Linear(context, embedding)
        self.inp = nn.Conv2d(3 * latent, a, 3, 1, 1)
        self.down1 = nn.ModuleList([Block(a, a, embedding, groups)])
        self.to2 = nn.Conv2d(a, b, 3, 2, 1)
        self.down2 = nn.ModuleList([Block(b, b, embedding, groups), Block(b, b, embedding, groups)])
        self.to3 = nn.Conv2d(b, c, 3, 2, 1)
        self.middle = nn.ModuleList([Block(c, c, embedding, groups), Block(c, c, embedding, groups)])
        self.attention = Attention(c, heads, groups)
        self.from3 = nn.Conv2d(c, b, 1)
        self.up2 = nn.ModuleList([Block(2 * b, b, embedding, groups), Block(b, b, embedding, groups)])
        self.from2 = nn.Conv2d(b, a, 1)
        self.up1 = nn.ModuleList([Block(2 * a, a, embedding, groups), Block(a, a, embedding, groups)])
        self.norm, self.out = nn.GroupNorm(groups, a), nn.Conv2d(a, 2 * latent, 3, 1, 1)

    def forward(self, latents, masked, reference, timesteps, context):
        scale = math.log(10000) / self.frequencies
        rate = torch.exp(-scale * torch.arange(self.frequencies, dtype=torch.float32, device=latents.device))
        phase = timesteps.to(torch.float32)[:, None] * rate[None]
        e = F.silu(self.time(torch.cat([phase.cos(), phase.sin()], 1)) + self.context(context[:, 0]))
        x1 = self.inp(torch.cat([latents, masked, reference], 1))
        for block in self.down1:
            x1 = block(x1, e)
        x2 = self.to2(x1)
        for block in self.down2:
            x2 = block(x2, e)
        x3 = self.to3(x2)
        x3 = self.middle[1](self.attention(self.middle[0](x3, e)), e)
        h = torch.cat([F.interpolate(self.from3(x3), scale_factor=2.0, mode="nearest"), x2], 1)
        for block in self.up2:
            h = block(h, e)
        h = torch.cat([F.interpolate(self.from2(h), scale_factor=2.0, mode="nearest"), x1], 1)
        for block in self.up1:
            h = block(h, e)
        painted, keep = self.out(F.silu(self.norm(h))).chunk(2, 1)
        return painted + torch.sigmoid(keep) * reference
