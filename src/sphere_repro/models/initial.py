"""Initial weights (section 2, last paragraph)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphere_repro.models.layers import Head, Modulation, RMSNorm
from sphere_repro.models.mixer import MixerBlock
from sphere_repro.models.vit import ClassEmbedding, ConvPixels, Decoder, Encoder, LinearPixels

PIXEL_GAIN = 0.01
CLASS_STD = 0.02


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights of an autoencoder anew, in the order of its modules."""
    for module in model.modules():
        _default(module, generator)
    for module in model.modules():
        if isinstance(module, Encoder):
            for conv in (module.patch, module.patch_mix):
                _xavier(conv.weight, generator)
        elif isinstance(module, Decoder):
            for linear in _linears(module.embed, module.mixer):
                nn.init.normal_(linear.weight, std=1.0, generator=generator)
        elif isinstance(module, LinearPixels | ConvPixels):
            for weight in (layer.weight for layer in module.children()):
                _xavier(weight, generator, gain=PIXEL_GAIN)  # type: ignore[arg-type]
        elif isinstance(module, Head | Modulation):
            nn.init.zeros_(module.linear.weight)


def _default(module: nn.Module, generator: torch.Generator) -> None:
    """Xavier-uniform Linears, zero biases, unit norms, zero Mixer scales, small class tables."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        if module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
    elif isinstance(module, RMSNorm) and module.weight is not None:
        nn.init.ones_(module.weight)
    elif isinstance(module, MixerBlock):
        nn.init.zeros_(module.token_scale)
        nn.init.zeros_(module.channel_scale)
    elif isinstance(module, ClassEmbedding):
        nn.init.normal_(module.table.weight, std=CLASS_STD, generator=generator)


def _linears(*roots: nn.Module) -> list[nn.Linear]:
    return [module for root in roots for module in root.modules() if isinstance(module, nn.Linear)]


def _xavier(weight: Tensor, generator: torch.Generator, gain: float = 1.0) -> None:
    """Xavier-uniform on the weight viewed as (first dimension, rest)."""
    nn.init.xavier_uniform_(weight.view(weight.shape[0], -1), gain=gain, generator=generator)
