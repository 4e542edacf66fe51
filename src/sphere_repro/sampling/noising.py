"""What the training's noise does to a trained model's own latents: the angles that it really reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro import seeds
from sphere_repro.sphere import angle_to_sigma, turn

FEWEST_DRAWS = 10_000
PART = 1024  # latents that are moved at once
SHOWN = 3  # latents whose planes are kept
QUARTERS = (0.25, 0.5, 0.75, 1.0)  # of the largest angle, at which they are shown


def noised(
    latents: NDArray[np.float32], alpha_max: float, seed: tuple[int | str, ...]
) -> dict[str, NDArray[Any]]:
    """Latents moved by noise as in training (section 3, without hard cases), on the CPU.

    Every latent gets as many draws of noise as are needed for `FEWEST_DRAWS` in all; each is used twice: at
    full strength, and at a strength r that is uniform in [0, 1].

    Args:
        latents: (n, L) points of the sphere of radius √L.
        alpha_max: largest noise angle α in degrees, 0 < α < 90; σ = tan α.
        seed: of the noise.

    Returns:
        `alpha_max` (); `angle_full` and `angle_any`, float64 (m,), angles between v and f(v + σ·e) and
        between v and f(v + r·σ·e), degrees in [0, 180]; `shown_angle` (A,), angles α whose tan scales the
        noise of the latents that are shown; `shown`, float64 (K, A, 2, 2): of each the noisy point before
        and after re-projection, as coordinates (along v, across) in the plane of v and e, in units of the
        radius.
    """
    generator = seeds.generator(*seed, "noise angle")
    points, sigma = torch.from_numpy(latents), angle_to_sigma(alpha_max)
    rounds = -(-FEWEST_DRAWS // len(points))
    full, some = [], []
    starts = range(0, len(points), PART)
    for part in [points[start : start + PART] for _ in range(rounds) for start in starts]:
        noise = torch.randn(part.shape, generator=generator)
        strength = torch.rand(len(part), generator=generator)
        full.append(angle(part, turn(part, noise, sigma)))
        some.append(angle(part, turn(part, noise, strength * sigma)))
    alphas = [alpha_max * share for share in QUARTERS]
    few = points[torch.linspace(0, len(points) - 1, min(SHOWN, len(points))).round().long()]
    noise = torch.randn(few.shape, generator=generator)
    planes = [_in_plane(few, noise, angle_to_sigma(alpha)) for alpha in alphas]
    return {
        "alpha_max": np.array(alpha_max),
        "angle_full": torch.cat(full).numpy(),
        "angle_any": torch.cat(some).numpy(),
        "shown_angle": np.array(alphas),
        "shown": torch.stack(planes, dim=1).numpy(),
    }


def angle(one: Tensor, other: Tensor) -> Tensor:
    """Angles in degrees between the rows of two (B, L), float64; exact for small ones too."""
    a, b = (torch.nn.functional.normalize(each.double(), dim=1) for each in (one, other))
    return torch.rad2deg(2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1)))


def _in_plane(v: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """v + σ·e and f(v + σ·e) as (K, 2, 2): before and after, along v and across, in units of √L."""
    radius = v.shape[1] ** 0.5
    along = torch.nn.functional.normalize(v.double(), dim=1)
    pairs = []
    for moved in (v + sigma * noise, turn(v, noise, sigma)):
        x = (moved.double() * along).sum(dim=1)
        y = (moved.double() - x[:, None] * along).norm(dim=1)
        pairs.append(torch.stack([x, y], dim=1) / radius)
    return torch.stack(pairs, dim=1)
