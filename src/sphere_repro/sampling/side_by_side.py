"""Refinements in 1 to T steps whose strength falls with their number, side by side.

Each number of steps is a refinement of its own there. One after another they take T·(T-1)/2 passes; in one
batch, T-1 larger ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.sampling import refine
from sphere_repro.sphere import angle_to_sigma, spherify, turn
from sphere_repro.study.generation import Generation

KEPT = 256  # answers of `keeps_bits`


@torch.inference_mode()
def generate_falling(
    model: SphereAutoencoder,
    first: Tensor,
    noise: Tensor,
    asked: refine.Condition,
    alpha_max: float,
    generation: Generation,
) -> list[Tensor]:
    """What `refine.generate` makes in 1, 2, …, T steps, bit for bit: T images, each (B, 3, H, H) in [-1, 1].

    Arguments as of `refine.generate`.
    """
    batch, most, sigma = len(first), generation.steps, angle_to_sigma(alpha_max)
    strengths = {total: refine.strengths(generation, total - 1, total) for total in range(2, most + 1)}

    def placed(x: Tensor) -> Tensor:
        return spherify(refine.encode(model, x, _repeated(asked, len(x) // batch)))

    def moved(v: Tensor, e: Tensor, scale: Tensor) -> Tensor:
        return refine.decode(model, turn(v, e, scale), _repeated(asked, len(v) // batch))

    x = refine.decode(model, spherify(first), asked)
    done = [x]
    for t, total in enumerate(strengths):  # after refinement t, the images in `total` steps are done
        going_on = range(total, most + 1)
        v = torch.cat([placed(x)] * len(going_on)) if t == 0 else _through(model, batch, placed, x[batch:])
        e = first if generation.noise == "initial" else refine.later_noise(noise, t, generation)
        scale = torch.tensor([strengths[each][t] * sigma for each in going_on]).repeat_interleave(batch)
        x = _through(model, batch, moved, v, torch.cat([e] * len(going_on)), scale.to(v))
        done.append(x[:batch])
    return done


def _through(model: SphereAutoencoder, batch: int, work: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """`work` on refinements of `batch` images side by side: at once, or one by one where that moves bits."""
    copies = len(given[0]) // batch
    passes = 1 if keeps_bits(model, batch, copies) else copies
    parts = zip(*(each.chunk(passes) for each in given), strict=True)
    return torch.cat([work(*part) for part in parts])


@lru_cache(maxsize=KEPT)
def keeps_bits(model: SphereAutoencoder, batch: int, copies: int) -> bool:
    """Whether so many copies of a batch come out of one pass as the batch alone does, bit for bit.

    Libraries choose their kernels by a batch's size, and some round in another way; that depends on the
    machine and on shapes, and not on the images, so that one trial tells.
    """
    shape, device = (model.shape.tokens, model.shape.token_channels), next(model.parameters()).device
    first, e = refine.sample_noise(("bits",), range(batch), shape, 2).to(device)
    labels = torch.arange(batch, device=device) % model.shape.classes if model.shape.classes else None
    asked = refine.condition(model, labels)
    x = refine.decode(model, spherify(first), asked)
    alone = refine.refine(model, x, asked, e, 1.0)
    many = _repeated(asked, copies)
    side_by_side = refine.refine(model, torch.cat([x] * copies), many, torch.cat([e] * copies), 1.0)
    return torch.equal(side_by_side, torch.cat([alone] * copies))


def _repeated(asked: refine.Condition, copies: int) -> refine.Condition:
    if asked.labels is None or asked.null is None:
        return asked
    return replace(asked, labels=torch.cat([asked.labels] * copies), null=torch.cat([asked.null] * copies))
