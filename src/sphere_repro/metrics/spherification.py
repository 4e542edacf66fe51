"""The noise angle that latents really reach, against its law at their dimension (section 1 and 3).

Let v lie on the sphere of radius √L, e be standard normal and s = σ = tan α (times a strength r). Of e, the
part a along v is standard normal, and what is left has a length b with the chi distribution of L - 1 degrees
of freedom, independent of a. So v + s·e makes with v, before and after re-projection, the angle φ with

    cot φ = (√L/s + a) / b,

and √(L-1)·cot φ has the noncentral t distribution of L - 1 degrees of freedom and noncentrality √L/s:

    P(φ ≤ x) = E_b Φ(√L/s - b·cot x).

Where r is uniform in [0, 1], φ ≤ x means r·σ·(b·cot x - a) ≤ √L, so that

    P(φ ≤ x) = E_a,b min(1, √L / (σ·max(0, b·cot x - a))).

In high dimension b is near √L and a does not count: φ is near α, which is why α is called the noise's angle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

QUANTILES = (0.05, 0.5, 0.95)
BINS, FINE = 48, 20_001
MARGIN = 1.02  # how far beyond the largest angle the law is computed
NODES, NODES_OF_BOTH = 400, (40, 500)  # of the quadratures over b, and over b and a
REACH = 8.5  # standard deviations of a that count
TAIL = 1e-15  # of b that does not
GRID = 801  # angles between which the law of any strength is interpolated


def at_strength(angles: Array, dimension: int, sigma: float) -> Array:
    """P(φ ≤ x) for noise of the scale σ > 0.

    Args:
        angles: x in degrees, (n,), in [0, 180].
        dimension: L, at least 2.

    Returns:
        (n,) in [0, 1].
    """
    lengths, weights = _lengths(dimension, NODES)
    found = special.ndtr(np.sqrt(dimension) / sigma - lengths * _cotangents(angles)[:, None])
    return np.asarray(found @ weights)


def at_any_strength(angles: Array, dimension: int, sigma: float) -> Array:
    """P(φ ≤ x) for noise of the scale r·σ, r uniform in [0, 1]; arguments as of `at_strength`."""
    lengths, weights = _lengths(dimension, NODES_OF_BOTH[0])
    nodes, shares = np.polynomial.legendre.leggauss(NODES_OF_BOTH[1])
    along, shares = REACH * nodes, shares * stats.norm.pdf(REACH * nodes)
    both = np.outer(weights, shares / shares.sum()).ravel()
    found = []
    for cotangent in _cotangents(angles):
        across = np.maximum(0, np.subtract.outer(lengths * cotangent, along)).ravel()
        with np.errstate(divide="ignore"):
            found.append(np.minimum(1, np.sqrt(dimension) / (sigma * across)) @ both)
    return np.array(found)


def distance(values: Array, law: Callable[[Array], Array]) -> float:
    """The Kolmogorov-Smirnov distance of values (n,) from a continuous law, in [0, 1]."""
    expected, count = law(np.sort(values)), len(values)
    steps = np.arange(count)
    return float(max(((steps + 1) / count - expected).max(), (expected - steps / count).max()))


def judge(noised: Mapping[str, NDArray[Any]], dimension: int) -> dict[str, Any]:
    """A JSON-able record of what `sampling.noising.noised` found, against the law at the latents' dimension.

    For noise of full strength (`full`) and of any (`any`): the number of draws, their Kolmogorov-Smirnov
    distance from the law, quantiles reached and expected in degrees, and the shares of the draws in bins of
    angles, reached and expected.
    """
    alpha = float(noised["alpha_max"])
    sigma = float(np.tan(np.radians(alpha)))
    grid = np.linspace(0, MARGIN * float(noised["angle_any"].max()), GRID)
    mixed = at_any_strength(grid, dimension, sigma)
    laws: dict[str, Callable[[Array], Array]] = {
        "full": lambda angles: at_strength(angles, dimension, sigma),
        "any": lambda angles: np.interp(angles, grid, mixed),
    }
    return {
        "alpha_max": alpha,
        "dimension": dimension,
        "shown_angle": noised["shown_angle"].tolist(),
        "shown": noised["shown"].tolist(),
        **{name: _compared(noised[f"angle_{name}"].astype(np.float64), law) for name, law in laws.items()},
    }


def _compared(angles: Array, law: Callable[[Array], Array]) -> dict[str, Any]:
    low, high = float(angles.min()), float(angles.max())
    beyond = (MARGIN - 1) * (high - low)
    edges = np.linspace(max(0.0, low - beyond), min(180.0, high + beyond), BINS + 1)
    fine = np.linspace(0, edges[-1], FINE)
    return {
        "draws": len(angles),
        "distance": distance(angles, law),
        "quantiles": list(QUANTILES),
        "reached": np.quantile(angles, QUANTILES).tolist(),
        "expected": np.interp(QUANTILES, law(fine), fine).tolist(),
        "edges": edges.tolist(),
        "share": (np.histogram(angles, edges)[0] / len(angles)).tolist(),
        "law": np.diff(law(edges)).tolist(),
    }


def _lengths(dimension: int, count: int) -> tuple[Array, Array]:
    """`count` values of b and their weights, of sum 1."""
    freedom = dimension - 1
    low, high = stats.chi.ppf(TAIL, freedom), stats.chi.isf(TAIL, freedom)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    lengths = low + (high - low) * (nodes + 1) / 2
    weights = weights * stats.chi.pdf(lengths, freedom)
    return lengths, weights / weights.sum()


def _cotangents(angles: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.tan(np.radians(np.clip(angles, 1e-9, 180 - 1e-9))))
