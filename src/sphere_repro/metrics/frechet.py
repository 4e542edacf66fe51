"""The Fréchet distance between two sets of features, and its standard error.

d² = |μ₁ - μ₂|² + Tr(S₁ + S₂ - 2·(S₁·S₂)^½), as Clean-FID's `frechet_distance` defines it. Here the trace of
the square root comes from eigenvalues: with S₁ = F·Fᵀ, S₁·S₂ has the non-zero eigenvalues of the symmetric
Fᵀ·S₂·F, so Tr (S₁·S₂)^½ = Σ √λ(Fᵀ·S₂·F). That is exact, also for fewer images than dimensions, and several
times faster than the general matrix root. With fewer images than F has columns those are the eigenvalues of a
smaller matrix: that of the products of the images' centred Fᵀ·x with each other. A jackknife over small
groups needs no eigenvalues of its replicates: `_root_lost`. Clean-FID's function is the reference in the
tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sphere_repro.metrics.statistics import Estimate, Statistics, jackknife_error

Array = NDArray[np.float64]

FEW_OF_RANK = 6  # dimensions for each image of a group: with larger groups eigenvalues cost less
NODE = 0.7  # spacing of log s; the trapezoidal rule errs by about exp(-π²/NODE)
NODES = np.exp(np.arange(np.log(1e-7), np.log(1e2), NODE))  # s, over the largest root
BEYOND = np.exp(-NODE) / (1 - np.exp(-NODE))  # nodes before the first and after the last, as geometric series


@dataclass(frozen=True)
class FrechetReference:
    """What the distance needs of the real images.

    Attributes:
        mean: μ₁, float64 (D,).
        trace: Tr S₁.
        factor: F, float64 (D, r), with S₁ = F·Fᵀ and r its rank.
    """

    mean: Array
    trace: float
    factor: Array

    @classmethod
    def of(cls, statistics: Statistics) -> Self:
        """Factor the covariance once, for any number of distances."""
        values, vectors = np.linalg.eigh(statistics.covariance)
        # Below this an eigenvalue is rounding, not variance; its square root would not be small.
        kept = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
        return cls(
            statistics.mean, float(np.trace(statistics.covariance)), vectors[:, kept] * np.sqrt(values[kept])
        )


@dataclass(frozen=True)
class _Sums:
    """Sums over some images: count, Σx (D,), Σ|x|², Σy (r,), Σy·yᵀ (r, r), with y = Fᵀ·x."""

    count: int
    x: Array
    squares: float
    y: Array
    products: Array

    def __add__(self, other: _Sums) -> _Sums:
        return self._combine(other, 1)

    def __sub__(self, other: _Sums) -> _Sums:
        return self._combine(other, -1)

    def _combine(self, other: _Sums, sign: int) -> _Sums:
        return _Sums(
            self.count + sign * other.count,
            self.x + sign * other.x,
            self.squares + sign * other.squares,
            self.y + sign * other.y,
            self.products + sign * other.products,
        )


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """The (squared) Fréchet distance between two sets of features, as Clean-FID reports it."""
    reference = FrechetReference.of(first)
    return _distance(
        reference,
        first.mean - second.mean,
        float(np.trace(second.covariance)),
        _root(reference.factor.T @ second.covariance @ reference.factor),
    )


def frechet_estimate(
    reference: FrechetReference, features: NDArray[np.float32], groups: NDArray[np.int64]
) -> Estimate:
    """The distance of generated images from the reference, with its delete-a-group jackknife error.

    Args:
        reference: the real images; they count as fixed.
        features: float32 (N, D), of the generated images.
        groups: int (K, size), disjoint sets of generated images (`statistics.jackknife_groups`).

    Raises:
        ValueError: features that are not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite")
    rank = reference.factor.shape[1]
    if len(features) <= rank:
        return _estimate_of_few(reference, features, groups)
    if FEW_OF_RANK * (groups.shape[1] + 1) <= rank:
        return _estimate_of_small_groups(reference, features, groups)
    return _estimate_of_sums(reference, features, groups)


def _estimate_of_sums(
    reference: FrechetReference, features: NDArray[np.float32], groups: NDArray[np.int64]
) -> Estimate:
    """From sums over each group, which are left out by subtracting them."""
    x, mean = _centred(features)
    left = np.setdiff1d(np.arange(len(x)), groups.ravel())
    parts = [_sums(reference, x[group]) for group in groups]
    total = _sums(reference, x[left])
    for part in parts:
        total += part
    offset = mean - reference.mean
    replicates = np.array([_distance_of_sums(reference, offset, total - part) for part in parts])
    return Estimate(_distance_of_sums(reference, offset, total), jackknife_error(replicates))


def _estimate_of_few(
    reference: FrechetReference, features: NDArray[np.float32], groups: NDArray[np.int64]
) -> Estimate:
    """The same from the products of the images with each other, which are a smaller matrix."""
    x, mean_of_all = _centred(features)
    y = x @ reference.factor  # (n, r)
    products, squares, offset = y @ y.T, np.sum(x * x, axis=1), mean_of_all - reference.mean

    def distance(chosen: NDArray[np.int64]) -> float:
        count, mean = len(chosen), x[chosen].mean(axis=0)
        trace = (squares[chosen].sum() - count * float(mean @ mean)) / (count - 1)
        inner = products[np.ix_(chosen, chosen)]
        rows = inner.mean(axis=0)
        centred = inner - rows - rows[:, None] + rows.mean()  # (count, count)
        return _distance(reference, offset + mean, trace, _root(centred / (count - 1)))

    everyone = np.arange(len(x))
    replicates = np.array([distance(np.setdiff1d(everyone, group)) for group in groups])
    return Estimate(distance(everyone), jackknife_error(replicates))


def _estimate_of_small_groups(
    reference: FrechetReference, features: NDArray[np.float32], groups: NDArray[np.int64]
) -> Estimate:
    """The same from one eigenproblem: what a small group takes from the root's trace is an integral."""
    x, mean_of_all = _centred(features)
    y = x @ reference.factor  # (n, r)
    squares, offset = np.sum(x * x, axis=1), mean_of_all - reference.mean
    scatter, turned = np.linalg.eigh(y.T @ y)
    scatter = np.maximum(scatter, 0.0)
    y, whole = y @ turned, float(np.sqrt(scatter).sum())

    def distance(group: NDArray[np.int64]) -> float:
        count = len(x) - len(group)
        mean = -x[group].sum(axis=0) / count
        trace = (squares.sum() - squares[group].sum() - count * float(mean @ mean)) / (count - 1)
        # the group's own images, and what it moves the others' mean by
        taken = np.vstack([y[group], y[group].sum(axis=0) / np.sqrt(count)])
        root = (whole - _root_lost(scatter, taken)) / np.sqrt(count - 1)
        return _distance(reference, offset + mean, trace, root)

    nobody = np.arange(0)
    return Estimate(distance(nobody), jackknife_error(np.array([distance(group) for group in groups])))


def _root_lost(values: Array, taken: Array) -> float:
    """Tr √S - Tr √(S - WᵀW) of S = diag(`values`) (r,) and W = `taken` (m, r), a positive difference.

    √λ = 1/π·∫ log(1 + λ/s²) ds over s > 0, so that the difference is -1/π·∫ log det(1 - W·(S + s²)⁻¹·Wᵀ) ds
    by the matrix determinant lemma: determinants of m rows, not eigenvalues of r. In log s the integrand is
    analytic and decays on both sides, where the trapezoidal rule converges exponentially.
    """
    largest = float(np.sqrt(values.max(initial=0.0)))
    if not largest or not taken.any():
        return 0.0
    terms = []
    for s in largest * NODES:
        scaled = taken / np.sqrt(values + s * s)
        terms.append(s * np.linalg.slogdet(np.eye(len(taken)) - scaled @ scaled.T).logabsdet)
    return float(-NODE * (sum(terms) + BEYOND * (terms[0] + terms[-1])) / np.pi)


def _centred(features: NDArray[np.float32]) -> tuple[Array, Array]:
    """Features (n, D) less their mean, so that no sum is a small difference of large ones; the mean (D,)."""
    x = features.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    return x, mean


def _sums(reference: FrechetReference, x: Array) -> _Sums:
    y = x @ reference.factor  # (n, r)
    return _Sums(len(x), x.sum(axis=0), float(np.sum(x * x)), y.sum(axis=0), y.T @ y)


def _distance_of_sums(reference: FrechetReference, offset: Array, sums: _Sums) -> float:
    """Distance of the images in `sums`; `offset` is the mean of all generated images minus the real ones'."""
    count = sums.count
    trace = (sums.squares - float(sums.x @ sums.x) / count) / (count - 1)
    inner = (sums.products - np.outer(sums.y, sums.y) / count) / (count - 1)
    return _distance(reference, offset + sums.x / count, trace, _root(inner))


def _root(inner: Array) -> float:
    """Tr (S₁·S₂)^½ from Fᵀ·S₂·F (r, r), or a matrix with the same non-zero eigenvalues."""
    eigenvalues = np.linalg.eigvalsh(inner) if inner.size else np.zeros(0)
    return float(np.sqrt(np.maximum(eigenvalues, 0.0)).sum())


def _distance(reference: FrechetReference, difference: Array, trace: float, root: float) -> float:
    """d² from μ₁ - μ₂ (D,), Tr S₂ and Tr (S₁·S₂)^½."""
    return float(difference @ difference + reference.trace + trace - 2.0 * root)
