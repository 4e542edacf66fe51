"""Geometry of the latent sphere: pure functions, no state (section 1 and 3 of the specification)."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

EPS = 1e-6
SMALLEST_STRATUM = 1e-3


class Numbers(Protocol):
    """A source of random numbers, whatever makes them."""

    def uniform(self, count: int) -> Tensor:
        """The next numbers in [0, 1), (count,) float32 on the CPU."""
        ...

    def order(self, count: int) -> Tensor:
        """A random permutation, (count,) int64 on the CPU."""
        ...


def spherify(z: Tensor) -> Tensor:
    """f(z) = z·rsqrt(mean(z²) + 1e-6) (section 1).

    Args:
        z: (B, …) any shape; the mean runs over all but the batch dimension.

    Returns:
        (B, …) float; each row lies on the sphere of radius √L, L the number of its elements.
    """
    axes = tuple(range(1, z.dim()))
    return z * torch.rsqrt(z.pow(2).mean(dim=axes, keepdim=True) + EPS)


def angle_to_sigma(angle: float) -> float:
    """σ = tan α for α in degrees, 0 ≤ α < 90."""
    if not 0 <= angle < 90:
        raise ValueError(f"a noise angle lies in [0, 90) degrees, not {angle}")
    return math.tan(math.radians(angle))


def sigma_to_angle(sigma: float) -> float:
    """α = atan σ in degrees, for σ ≥ 0."""
    if sigma < 0:
        raise ValueError(f"a noise scale is at least 0, not {sigma}")
    return math.degrees(math.atan(sigma))


def turn(v: Tensor, noise: Tensor, scale: Tensor | float) -> Tensor:
    """f(v + scale·noise): move points of the sphere by noise of a given scale (section 1).

    Args:
        v: (B, N, d) points of the sphere.
        noise: (B, N, d) standard normal.
        scale: number, or (B,) one per point; in high dimension the point turns by about atan(scale).

    Returns:
        (B, N, d); where the scale is 0 the point is v itself, bit for bit.
    """
    factor = torch.as_tensor(scale, dtype=v.dtype, device=v.device)
    factor = factor.reshape(-1, *[1] * (v.dim() - 1)) if factor.dim() else factor
    return torch.where(factor == 0, v, spherify(v + factor * noise))


def stratified_radii(count: int, numbers: Numbers) -> Tensor:
    """Radii r of a global batch, spread evenly over [0, 1] (section 3).

    One is exactly 1, one exactly 0, the other B-2 are (i + max(u_i, 1e-3))/(B-2); shuffled. For B = 2
    they are {1, 0}; for B = 1 a single uniform draw.

    Returns:
        (B,) float32.
    """
    if count < 1:
        raise ValueError(f"a batch has at least one image, not {count}")
    inner = count - 2
    if inner < 0:
        return numbers.uniform(1)
    uniform = numbers.uniform(inner).clamp_min(SMALLEST_STRATUM)
    strata = (torch.arange(inner) + uniform) / max(inner, 1)
    radii = torch.cat([torch.ones(1), torch.zeros(1), strata])
    return radii[numbers.order(count)]


def harden(
    radii: Tensor, choice: Tensor, strength: Tensor, *, probability: float, angles: tuple[float, float]
) -> Tensor:
    """Replace some radii of the large noise by radii beyond 1: the hard cases (section 3).

    Args:
        radii: (B,) radii r in [0, 1].
        choice: (B,) uniform draws c; images with c ≤ probability are hard.
        strength: (B,) uniform draws that place a hard case in the range beyond 1 (the released code
            uses c itself, so that only the lowest tenth of the range occurs).
        probability: q.
        angles: (α_max, α_hard) in degrees; α_max above 0 where there are hard cases.

    Returns:
        (B,) radii; a hard one is 1 + strength·(tan α_hard / tan α_max - 1).
    """
    if probability == 0:
        return radii
    largest, hard = (angle_to_sigma(angle) for angle in angles)
    beyond = 1 + strength * (hard / largest - 1)
    return torch.where(choice <= probability, beyond, radii)


def mix(corners: Tensor, weights: Tensor) -> Tensor:
    """Points between Gaussian draws, projected to the sphere (section 4, interpolation).

    Args:
        corners: (C, N, d) standard-normal draws; two ends of a line or four corners of a square.
        weights: (P, C) weights of each point's corners.

    Returns:
        (P, N, d) points of the sphere.
    """
    return spherify(torch.einsum("pc,cnd->pnd", weights, corners))
