"""Learning-rate schedule, optimizer and weight average (section 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sphere_repro.study.recipe import Training
from sphere_repro.training.adamw import AdamW

BETAS = (0.9, 0.95)
ADAM_EPS = 1e-8


@dataclass(frozen=True)
class Schedule:
    """Learning rate of the decoder by step: linear warm-up, half a cosine, then the minimum."""

    maximum: float
    minimum: float
    warmup_steps: float
    total_steps: int

    def __call__(self, step: int) -> float:
        """Rate at `step`, counted from 0; the minimum is reached at total - warm-up and kept."""
        if step < self.warmup_steps:
            return self.maximum * (step + 1) / (self.warmup_steps + 1)
        span = self.total_steps - 2 * self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / span) if span > 0 else 1.0
        return self.minimum + (self.maximum - self.minimum) * (1 + math.cos(math.pi * progress)) / 2


def schedule(training: Training, steps_per_epoch: int) -> Schedule:
    """The schedule of a run; rates scale linearly with the global batch over 256."""
    total = training.total_steps(steps_per_epoch)
    return Schedule(
        maximum=training.learning_rate * training.scale,
        minimum=training.minimum_learning_rate * training.scale,
        warmup_steps=total * training.warmup_epochs / training.epochs,
        total_steps=total,
    )


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
