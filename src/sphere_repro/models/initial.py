"""Initial weights (section 2, last paragraph)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sphere_repro import seeds
from sphere_repro.models.layers import Head, Modulation, RMSNorm
from sphere_repro.models.mixer import MixerBlock
from sphere_repro.models.vit import ClassEmbedding, ConvPixels, Decoder, Encoder, LinearPixels

PIXEL_GAIN = 0.01
CLASS_STD = 0.02


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights of an autoencoder anew, each module's from a seed of its own.

    Such a seed follows from one draw of `generator` and the module's name: models that differ in one place,
    e.g. in the depth of the Mixer, share the weights of all modules with the same name and shape.
    """
    drawn = int(torch.randint(2**62, (), generator=generator))
    names = {module: name for name, module in model.named_modules()}

    def own(module: nn.Module) -> torch.Generator:
        return seeds.generator(drawn, names[module])

    for module in model.modules():
        _default(module, own(module))
    for module in model.modules():
        _particular(module, own)


def _particular(module: nn.Module, own: Callable[[nn.Module], torch.Generator]) -> None:
    """What is not the default, drawn over it; `own` gives a module's generator."""
    if isinstance(module, Encoder):
        for conv in (module.patch, module.patch_mix):
            _xavier(conv.weight, own(conv))
    elif isinstance(module, Decoder):
        for linear in _linears(module.embed, module.mixer):
            nn.init.normal_(linear.weight, std=1.0, generator=own(linear))
    elif isinstance(module, LinearPixels | ConvPixels):
        for layer in module.children():
            _xavier(layer.weight, own(layer), gain=PIXEL_GAIN)  # type: ignore[arg-type]
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
