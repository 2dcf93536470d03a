"""The f = 8 autoencoder: pixel (un)shuffle to a quarter of the size, residual blocks there and at an eighth."""
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """conv, ReLU, conv beside an identity; starts as the identity: [B, c, h, w]."""

    def __init__(self, c):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, c, 3, 1, 1), nn.Conv2d(c, c, 3, 1, 1)
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


class Encoder(nn.Module):
    """image [B, 3, 8h, 8w] in [-1, 1] to latents [B, latent, h, w] of about unit variance."""

    def __init__(self, latent=4, narrow=48, wide=96, blocks=(1, 3)):
        super().__init__()
        self.inp = nn.Conv2d(48, narrow, 3, 1, 1)
        self.fine = nn.Sequential(*[Residual(narrow) for _ in range(blocks[0])])
        self.down = nn.Conv2d(4 * narrow, wide, 1)
        self.coarse = nn.Sequential(*[Residual(wide) for _ in range(blocks[1])])
        self.out = nn.Conv2d(wide, latent, 3, 1, 1)

    def forward(self, image):
        x = self.fine(self.inp(F.pixel_unshuffle(image, 4)))
        return self.out(self.coarse(self.down(F.pixel_unshuffle(x, 2))))


class Decoder(nn.Module):
    """latents [B, latent, h, w] to image [B, 3, 8h, 8w] in about [-1, 1]."""

    def __init__(self, latent=4, narrow=64, wide=128, blocks=(2, 3)):
        super().__init__()
        self.inp = nn.Conv2d(latent, wide, 3, 1, 1)
        self.coarse = nn.Sequential(*[Residual(wide) for _ in range(blocks[1])])
        self.up = nn.Conv2d(wide, 4 * narrow, 1)
        self.fine = nn.Sequential(*[Residual(narrow) for _ in range(blocks[0])])
        self.out = nn.Conv2d(narrow, 48, 3, 1, 1)

    def forward(self, latents):
        x = self.coarse(self.inp(latents))
        x = self.fine(F.pixel_shuffle(self.up(x), 2))
        return F.pixel_shuffle(self.out(x), 4)
