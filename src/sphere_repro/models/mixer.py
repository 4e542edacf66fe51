"""The MLP-Mixer between transformer and sphere (section 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphere_repro.models.layers import RMSNorm


class Perceptron(nn.Module):
    """Linear → SiLU → Linear over the last axis."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.silu(self.up(x)))
        return out


class MixerBlock(nn.Module):
    """x += α₁·T(RMSNorm(x)) over tokens, x += α₂·C(RMSNorm(x)) over channels; α start at 0."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.token_scale = nn.Parameter(torch.zeros(1))
        self.token_norm = RMSNorm(channels)
        self.token_mlp = Perceptron(tokens, tokens)
        self.channel_scale = nn.Parameter(torch.zeros(1))
        self.channel_norm = RMSNorm(channels)
        self.channel_mlp = Perceptron(channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.token_mlp(self.token_norm(x).transpose(1, 2)).transpose(1, 2)  # (B, N, c)
        x = x + self.token_scale * mixed
        out: Tensor = x + self.channel_scale * self.channel_mlp(self.channel_norm(x))
        return out


class Mixer(nn.Module):
    """`depth` blocks on (B, k tokens, c channels), then an RMSNorm."""

    def __init__(
        self, tokens: int, channels: int, depth: int, *, affine: bool = True, normalise: bool = True
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(MixerBlock(tokens, channels) for _ in range(depth))
        self.norm = RMSNorm(channels, affine=affine) if normalise else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out
