"""Optimizer and weight average (section 3); the rate of each step is in `study.schedule`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sphere_repro.training.adamw import AdamW

BETAS = (0.9, 0.95)
ADAM_EPS = 1e-8


def optimizer(encoder: nn.Module, decoder: nn.Module) -> AdamW:
    """AdamW over both networks, without weight decay; rates are set before each step by `set_rates`."""
    return AdamW([list(encoder.parameters()), list(decoder.parameters())], BETAS, ADAM_EPS)


def set_rates(adam: AdamW, rate: float, encoder_factor: float) -> None:
    """Give the decoder `rate` and the encoder `encoder_factor`·rate."""
    for group, factor in zip(adam.param_groups, (encoder_factor, 1.0), strict=True):
        group["lr"] = rate * factor


@torch.no_grad()
def average(into: Iterable[Tensor], weights: Iterable[Tensor], decay: float) -> None:
    """Exponential moving average in float32: into ← decay·into + (1 - decay)·weights."""
    torch._foreach_lerp_(list(into), [weight.detach() for weight in weights], 1 - decay)
