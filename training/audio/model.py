"""The audio encoder: a window of normalised log-mel to 64 features of one video frame."""
import torch
import torch.nn as nn
import torch.nn.functional as F

import recipe
from speech.visemes import CHANNELS

FEATURES = recipe.AUDIO["features"]
BANDS = recipe.AUDIO["bands"]
CONTEXT = recipe.AUDIO["contextFrames"]
RECEPTIVE_FIELD = 61  # log-mel frames read by the stack below
CROP = 2  # frames c - 30 .. c + 30 of the window c - 32 .. c + 31: centred on c
STRIDE = 4  # log-mel frames per video frame at 25 fps
TARGETS = [*CHANNELS, "aperture", "width"]


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each time step: no statistics of the training voices."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class Encoder(nn.Module):
    """Convolutions without padding. forward reads one window and gives one row; `sequence` reads a clip and gives a
    row every STRIDE log-mel frames, which is the same function and makes training ten times cheaper."""

    def __init__(self, width=128, dropout=0., norm="layer"):
        super().__init__()
        self.width = width
        self.stem1 = nn.Conv1d(BANDS, width, 5, 2)
        self.stem2 = nn.Conv1d(width, width, 5, 2)
        self.blocks = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in (1, 2, 1, 2))
        self.norms = nn.ModuleList((nn.BatchNorm1d if norm == 'batch' else ChannelNorm)(width) for _ in range(6))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Conv1d(width, FEATURES, 1)

    def sequence(self, mel):
        """[B, T, bands] to [B, (T - RECEPTIVE_FIELD) // STRIDE + 1, FEATURES]."""
        h = mel.transpose(1, 2)
        h = F.silu(self.norms[0](self.stem1(h)))
        h = F.silu(self.norms[1](self.stem2(h)))
        for block, norm, dilation in zip(self.blocks, self.norms[2:], (1, 2, 1, 2)):
            h = h[:, :, dilation:-dilation] + self.dropout(F.silu(norm(block(h))))
        return self.out(h).transpose(1, 2)

    def forward(self, mel):
        """[B, CONTEXT, bands] to [B, FEATURES]."""
        return self.sequence(mel[:, CROP:CROP + RECEPTIVE_FIELD])[:, 0]


class Merged(nn.Module):
    """Several encoders side by side and one linear map back to FEATURES (see merge.py)."""

    def __init__(self, members, width, norm):
        super().__init__()
        self.members = nn.ModuleList(Encoder(width, 0., norm) for _ in range(members))
        self.project = nn.Linear(members * FEATURES, FEATURES)

    def sequence(self, mel):
        return self.project(torch.cat([member.sequence(mel) for member in self.members], -1))

    def forward(self, mel):
        return self.project(torch.cat([member(mel) for member in self.members], -1))


class Trained(nn.Module):
    """An encoder and the linear head that reads mouth targets (TARGETS order) from its features."""

    def __init__(self, width=128, dropout=0., norm="layer", members=1):
        super().__init__()
        self.encoder = Encoder(width, dropout, norm) if members == 1 else Merged(members, width, norm)
        self.head = nn.Linear(FEATURES, len(TARGETS))

    def forward(self, mel):
        return self.head(self.encoder(mel))


def load_checkpoint(path):
    """The dictionary that train.py or merge.py wrote: model (Trained state), width, norm, members, targets, normalisation (for the manifest),
    targetMean and targetScale (the head predicts (target - mean) / scale), figures."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    if checkpoint.get("targets") != TARGETS:
        raise ValueError(f"{path}: not an audio encoder of this version (targets {checkpoint.get('targets')})")
    return checkpoint


def load_trained(path):
    checkpoint = load_checkpoint(path)
    net = Trained(checkpoint["width"], norm=checkpoint["norm"], members=checkpoint.get("members", 1))
    net.load_state_dict(checkpoint["model"])
    return net.eval(), checkpoint


def load_encoder(path):
    """The frozen encoder: mel [B, CONTEXT, bands] to features [B, FEATURES]."""
    net, _ = load_trained(path)
    for parameter in net.encoder.parameters():
        parameter.requires_grad_(False)
    return net.encoder
