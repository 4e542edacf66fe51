"""Encoder and decoder: Vision Transformers with a Mixer on the side of the latent (section 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sphere_repro.models.layers import Block, Head, position_embedding
from sphere_repro.models.mixer import Mixer
from sphere_repro.study.architecture import Architecture

CONV_HEAD_CHANNELS = 32


class ClassEmbedding(nn.Module):
    """Table of classes + 1 rows; the last row is the null class."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        # From zeros, and `initial` fills it: the layer's own draw on the meta device loads torch's compiler.
        zeros = torch.zeros(classes + 1, width)
        self.table: nn.Embedding = nn.Embedding.from_pretrained(zeros, freeze=False)  # type: ignore[no-untyped-call]

    def forward(self, labels: Tensor) -> Tensor:
        """labels (B,) integers, or (B, classes + 1) float weights of the rows (interpolation)."""
        if labels.is_floating_point():
            return labels @ self.table.weight
        embedded: Tensor = self.table(labels)
        return embedded


class Encoder(nn.Module):
    """Images (B, 3, H, H) in [-1, 1] → (B, N, channels), before spherification."""

    position: Tensor

    def __init__(self, shape: Architecture, channels: int, *, normalise: bool = True) -> None:
        super().__init__()
        width, p = shape.encoder.width, shape.patch_size
        conditional = shape.classes > 0
        self.checkpointing = False  # keep no activations of the blocks, compute them again
        self.patch = nn.Conv2d(3, width, p, stride=p, bias=False)
        self.patch_mix = nn.Conv2d(width, width, 1)
        self.register_buffer("position", position_embedding(width, shape.grid))
        self.class_embedding = ClassEmbedding(shape.classes, width) if conditional else None
        self.blocks = nn.ModuleList(
            Block(width, shape.encoder.heads, shape.grid, conditional=conditional)
            for _ in range(shape.encoder.layers)
        )
        self.head = Head(width, channels, conditional=conditional)
        depth = shape.encoder_mixer_depth
        self.mixer = (
            Mixer(shape.tokens, channels, depth, affine=shape.affine, normalise=normalise)
            if depth
            else nn.Identity()
        )

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        condition = _condition(self.class_embedding, labels)
        h = self.patch_mix(self.patch(x))  # (B, width, g, g)
        h = h.flatten(2).transpose(1, 2) + self.position  # (B, N, width)
        for block in self.blocks:
            h = run_block(block, h, condition, checkpointing=self.checkpointing)
        out: Tensor = self.mixer(self.head(h, condition))  # (B, N, channels)
        return out


class Decoder(nn.Module):
    """Latents (B, N, d) → images (B, 3, H, H) in [-1, 1]."""

    position: Tensor

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        width, p = shape.decoder.width, shape.patch_size
        conditional = shape.classes > 0
        self.checkpointing = False  # as in Encoder
        self.grid = shape.grid
        self.embed = nn.Linear(shape.token_channels, width)
        depth = shape.decoder_mixer_depth
        self.mixer = Mixer(shape.tokens, width, depth, affine=shape.affine) if depth else nn.Identity()
        self.register_buffer("position", position_embedding(width, shape.grid))
        self.class_embedding = ClassEmbedding(shape.classes, width) if conditional else None
        self.blocks = nn.ModuleList(
            Block(width, shape.decoder.heads, shape.grid, conditional=conditional)
            for _ in range(shape.decoder.layers)
        )
        linear = shape.pixel_head == "linear"
        self.head = Head(width, 3 * p * p if linear else CONV_HEAD_CHANNELS, conditional=conditional)
        self.pixels = LinearPixels(p) if linear else ConvPixels(p)

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        condition = _condition(self.class_embedding, labels)
        h = self.mixer(self.embed(z)) + self.position  # (B, N, width)
        for block in self.blocks:
            h = run_block(block, h, condition, checkpointing=self.checkpointing)
        h = self.head(h, condition).transpose(1, 2)  # (B, channels, N)
        out: Tensor = self.pixels(h.unflatten(2, (self.grid, self.grid)))  # (B, 3, H, H)
        return out


class LinearPixels(nn.Module):
    """Unpatchify (channel-major: c, row, column), then a 3×3 convolution and tanh."""

    def __init__(self, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, h: Tensor) -> Tensor:
        return torch.tanh(self.conv(F.pixel_shuffle(h, self.patch_size)))  # (B, 3p², g, g) → (B, 3, H, H)


class ConvPixels(nn.Module):
    """3×3 convolution, SiLU, transposed convolution (kernel p+2, stride p, padding 1), tanh."""

    def __init__(self, patch_size: int) -> None:
        super().__init__()
        channels = CONV_HEAD_CHANNELS
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.expand = nn.ConvTranspose2d(channels, 3, patch_size + 2, stride=patch_size, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return torch.tanh(self.expand(F.silu(self.conv(h))))  # (B, 32, g, g) → (B, 3, H, H)


def run_block(block: nn.Module, h: Tensor, condition: Tensor | None, *, checkpointing: bool) -> Tensor:
    """Tokens (B, N, width) through one block; checkpointing changes memory and time, and no number."""
    if checkpointing and torch.is_grad_enabled():
        out: Tensor = checkpoint(block, h, condition, use_reentrant=False, preserve_rng_state=False)
    else:
        out = block(h, condition)
    return out


def _condition(embedding: ClassEmbedding | None, labels: Tensor | None) -> Tensor | None:
    if embedding is None:
        return None
    if labels is None:
        raise ValueError("a conditional model needs labels: the null class stands for none")
    embedded: Tensor = embedding(labels)
    return embedded
