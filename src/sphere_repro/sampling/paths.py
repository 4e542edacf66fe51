"""Points of the sphere along lines between two draws, or on squares between four (section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from sphere_repro.sampling.refine import line_weights, square_weights
from sphere_repro.sphere import mix, spherify
from sphere_repro.study.image_sets import Interpolation

SMALLEST_ANGLE = 1e-4  # radians; below it a sine in float32 divides nothing any more


def weights(settings: Interpolation) -> Tensor:
    """(P, C) weights of the corners at each point of one path; a square row by row."""
    return line_weights(settings.points) if settings.form == "line" else square_weights(settings.points)


def points(settings: Interpolation, corners: Tensor) -> Tensor:
    """(P, N, d) points of the sphere between the draws `corners` (C, N, d)."""
    if settings.through == "linear":
        return mix(corners, weights(settings).to(corners))
    t = torch.linspace(0, 1, settings.points, dtype=corners.dtype, device=corners.device)
    if settings.form == "line":
        return great_circle(corners[:1], corners[1:], t)
    # corners in the order of `square_weights`: first and second of the top row, then of the bottom row
    left = great_circle(corners[0:1], corners[2:3], t)
    right = great_circle(corners[1:2], corners[3:4], t)
    rows = [great_circle(a[None], b[None], t) for a, b in zip(left, right, strict=True)]
    return torch.cat(rows)


def great_circle(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Points along the great circle between two points, at even speed.

    Args:
        start, end: (1, N, d) draws or points, not opposite each other; they are projected first.
        t: (P,) in [0, 1].

    Returns:
        (P, N, d) points of the sphere.
    """
    a, b = spherify(start), spherify(end)
    cosine = torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)
    angle = torch.acos(cosine)
    if angle < SMALLEST_ANGLE:  # the two are one point
        return spherify((1 - t)[:, None, None] * a + t[:, None, None] * b)
    first, second = torch.sin((1 - t) * angle), torch.sin(t * angle)
    return spherify((first[:, None, None] * a + second[:, None, None] * b) / torch.sin(angle))
