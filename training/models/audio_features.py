"""A small log-mel encoder: one feature vector per video frame."""
from torch import nn


class AudioFeatures(nn.Module):
    """mel [B, frames, bands], normalised log-mel centred on the video frame's middle, to features [B, features]."""

    def __init__(self, frames=64, bands=80, features=64, width=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(bands, width, 5, 2, 2), nn.SiLU(),
            nn.Conv1d(width, width, 5, 2, 2), nn.SiLU(),
            nn.Conv1d(width, 2 * width, 3, 2, 1), nn.SiLU(), nn.Flatten())
        self.head = nn.Linear(2 * width * (frames // 8), features)

    def forward(self, mel):
        return self.head(self.body(mel.transpose(1, 2)))
