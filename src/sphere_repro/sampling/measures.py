"""What is measured while images are refined again and again, or lie along a path.

Images here are (…, 3, H, H) in [-1, 1]; differences are root mean squares of pixels in [0, 1].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sphere_repro.models.autoencoder import unit

Curve = dict[str, list[float]]


def differences(images: Tensor, others: Tensor) -> Tensor:
    """(B,) root mean square differences of images (B, 3, H, H)."""
    return (unit(images.double()) - unit(others.double())).pow(2).flatten(1).mean(1).sqrt()


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """(B,) peak signal-to-noise ratios in dB; infinite where two images are the same."""
    return -20 * torch.log10(differences(images, others))


def by_pass(images: Sequence[Tensor]) -> Tensor:
    """(B, T, 2) for images after 0 … T passes: PSNR to the first in dB, and the change of each pass."""
    start = images[0]
    rows = [
        torch.stack([psnr(now, start), differences(now, before)], dim=-1)
        for before, now in itertools.pairwise(images)
    ]
    return torch.stack(rows, dim=1).cpu()


def summary(rows: Tensor) -> dict[str, Curve]:
    """Means over images of `by_pass` (B, T, 2) with their standard errors (0 for a single image).

    An infinite PSNR (a pass that changes no pixel) is taken as that of one part in 10^6.
    """
    values = rows.clone()
    values[..., 0] = values[..., 0].clamp_max(120.0)
    error = values.std(0) / len(values) ** 0.5 if len(values) > 1 else torch.zeros_like(values[0])
    mean = values.mean(0)
    return {
        name: {"mean": mean[:, column].tolist(), "se": error[:, column].tolist()}
        for column, name in enumerate(("psnr", "change"))
    }


def speeds(images: Tensor, encoded: Tensor, points: Tensor) -> dict[str, Any]:
    """How fast a path moves between its P points, per unit of the path.

    Args:
        images: (P, 3, H, H).
        encoded: (P, N, d) on the sphere: what the encoder makes of them.
        points: (P, N, d) on the sphere: what they were decoded from.

    Returns:
        `pixels`, `encoding` and `latent`: P-1 numbers each, the latter two in degrees; and for each the ratio
        of the largest to the mean, 1 for a path of even speed.
    """
    steps = len(images) - 1
    found = {
        "pixels": differences(images[1:], images[:-1]) * steps,
        "encoding": angles(encoded[1:], encoded[:-1]) * steps,
        "latent": angles(points[1:], points[:-1]) * steps,
    }
    ratios = {name: _ratio(value) for name, value in found.items()}
    return {name: value.tolist() for name, value in found.items()} | {"largest_by_mean": ratios}


def angles(points: Tensor, others: Tensor) -> Tensor:
    """(B,) angles in degrees between points (B, …) that are not zero."""
    a = torch.nn.functional.normalize(points.double().flatten(1), dim=1)
    b = torch.nn.functional.normalize(others.double().flatten(1), dim=1)
    # of the chord: the arc cosine loses small angles
    return torch.rad2deg(2 * torch.asin(((a - b).norm(dim=1) / 2).clamp_max(1.0)))


def _ratio(values: Tensor) -> float | None:
    mean = float(values.mean())
    return float(values.max()) / mean if mean > 0 else None
