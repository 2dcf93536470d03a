"""The context token of DiffTalk: filtered audio features beside visible landmarks (Shen et al. 2023, section 3.2)."""
import torch
from torch import nn


class Conditioner(nn.Module):
    """features [B, window, F], landmarks [B, visible, 2] (fractions of the crop) to context [B, 1, audio + points].

    The temporal filter is AudioAttNet's (AD-NeRF): a convolution over the window, softmax over its frames, and the
    weighted sum of the features. The centre frame's own features stay beside that sum, because the sum alone
    blurs closures that last one frame.
    """

    def __init__(self, window=8, centre=4, features=64, visible=30, audio=128, points=64, hidden=128):
        super().__init__()
        self.centre = centre
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.filter = nn.Sequential(nn.Conv1d(features, 16, 3, 1, 1), nn.SiLU(), nn.Conv1d(16, 1, 3, 1, 1))
        self.bias = nn.Parameter(torch.zeros(window))
        self.audio = nn.Sequential(nn.Linear(2 * features, hidden), nn.SiLU(), nn.Linear(hidden, audio))
        self.points = nn.Sequential(nn.Linear(2 * visible, hidden), nn.SiLU(), nn.Linear(hidden, points))

    def standardise(self, mean, deviation):
        """Sets the statistics (arrays [F]) that bring features to mean 0 and deviation 1."""
        self.mean.copy_(torch.as_tensor(mean))
        self.scale.copy_(1 / (torch.as_tensor(deviation) + 1e-3))

    def forward(self, features, landmarks):
        features = (features - self.mean) * self.scale
        weight = torch.softmax(self.filter(features.transpose(1, 2))[:, 0] + self.bias, 1)
        filtered = torch.bmm(weight[:, None], features)[:, 0]
        audio = self.audio(torch.cat([filtered, features[:, self.centre]], 1))
        points = self.points(4 * (landmarks - 0.5).flatten(1))
        return torch.cat([audio, points], 1)[:, None]
