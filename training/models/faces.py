"""The face detector and the 68-point landmark model."""
import torch
import torch.nn.functional as F
from torch import nn


def conv(a, b, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(b), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(conv(c, c), nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return F.relu(x + self.body(x))


class FaceDetector(nn.Module):
    """image [B, 3, 192, 192] in [-1, 1] to boxes [B, 144, 4] (x0, y0, x1, y1 in input pixels) and scores [B, 144].

    One prediction per 16-pixel cell: whether a face's centre lies in it, and the distances to the four sides.
    """

    STRIDE, CELLS, SIZE = 16, 12, 192

    def __init__(self, width=16):
        super().__init__()
        w = width
        self.body = nn.Sequential(conv(48, 2 * w), Residual(2 * w), conv(2 * w, 3 * w, 2), Residual(3 * w),
                                  conv(3 * w, 4 * w, 2), Residual(4 * w), Residual(4 * w), Residual(4 * w))
        self.head = nn.Conv2d(4 * w, 5, 1)
        nn.init.constant_(self.head.bias[0], -4.0)
        at = (torch.arange(self.CELLS) + 0.5) * self.STRIDE
        centre = torch.stack([at[None].expand(self.CELLS, -1), at[:, None].expand(-1, self.CELLS)]).flatten(1).t()
        self.register_buffer("centre", centre.contiguous()[None])

    def raw(self, image):
        """Score logits [B, 144] and log distances over 32 px to left, top, right, bottom [B, 144, 4]."""
        out = self.head(self.body(F.pixel_unshuffle(image, 4))).flatten(2)
        return out[:, 0], out[:, 1:].transpose(1, 2)

    def boxes(self, distances):
        d = 32 * torch.exp(distances.clamp(-3, 2.5))
        return torch.cat([self.centre - d[..., :2], self.centre + d[..., 2:]], -1)

    def forward(self, image):
        logits, distances = self.raw(image)
        return self.boxes(distances), torch.sigmoid(logits)


class FaceLandmarks(nn.Module):
    """image [B, 3, 128, 128] in [-1, 1] to points [B, 68, 2] in [0, 1], visibility [B, 68] and confidence [B].

    Points are the means of 32 x 32 heat maps (integral regression, Sun et al., ECCV 2018). Confidence is the chance
    that the square holds a face where the crop recipe puts it.
    """

    def __init__(self, width=32, points=68):
        super().__init__()
        w = width
        self.stem = nn.Sequential(conv(12, w), Residual(w))                                  # 64
        self.s32 = nn.Sequential(conv(w, 2 * w, 2), Residual(2 * w))                         # 32
        self.s16 = nn.Sequential(conv(2 * w, 3 * w, 2), Residual(3 * w), Residual(3 * w))    # 16
        self.s8 = nn.Sequential(conv(3 * w, 4 * w, 2), Residual(4 * w), Residual(4 * w))     # 8
        self.up16, self.m16 = nn.Conv2d(4 * w, 3 * w, 1), Residual(3 * w)
        self.up32, self.m32 = nn.Conv2d(3 * w, 2 * w, 1), Residual(2 * w)
        self.heat = nn.Conv2d(2 * w, points, 1)
        self.tail = nn.Sequential(nn.Linear(4 * w, 4 * w), nn.ReLU(), nn.Linear(4 * w, points + 1))
        self.register_buffer("at", (torch.arange(32, dtype=torch.float32) + 0.5) / 32)

    def maps(self, image):
        """Heat maps [B, 68, 32, 32] that sum to 1, visibility logits [B, 68], confidence logits [B]."""
        a = self.s32(self.stem(F.pixel_unshuffle(image, 2)))
        b = self.s16(a)
        c = self.s8(b)
        u = self.m16(b + F.interpolate(self.up16(c), scale_factor=2.0, mode="nearest"))
        u = self.m32(a + F.interpolate(self.up32(u), scale_factor=2.0, mode="nearest"))
        heat = self.heat(u).float()
        heat = torch.softmax(heat.flatten(2), -1).reshape(heat.shape)
        tail = self.tail(c.mean((2, 3))).float()
        return heat, tail[:, :-1], tail[:, -1]

    def points(self, heat):
        return torch.stack([(heat.sum(2) * self.at).sum(-1), (heat.sum(3) * self.at).sum(-1)], -1)

    def forward(self, image):
        heat, visible, sure = self.maps(image)
        return self.points(heat), torch.sigmoid(visible), torch.sigmoid(sure)
