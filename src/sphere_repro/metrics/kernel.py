"""The kernel distance (KID) between two sets of features, and its standard error.

As Clean-FID's `kernel_distance` defines it: the mean over random subsets of the unbiased squared MMD with the
kernel k(a, b) = (a·b/D + 1)³; here the subsets come from a seeded generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphere_repro.metrics.statistics import Estimate

Features = NDArray[np.float32]
Array = NDArray[np.float64]

WHOLE_LIMIT = 2**25  # entries of a kernel matrix held whole: 256 MiB


@dataclass(frozen=True)
class _Terms:
    """MMD² per subset (s,), and the sum over subsets of each generated image's influence (m,)."""

    values: Array
    influence: Array


def kernel_distance(
    reference: Features,
    generated: Features,
    *,
    subsets: int,
    subset_size: int,
    generator: np.random.Generator,
) -> Estimate:
    """KID of generated images against real ones.

    The standard error joins two independent parts as a root of squares: what as many new generated images
    would change (standard deviation of the images' first-order influence over √N, real images fixed), and
    what other random subsets would change (standard deviation over subsets / √subsets, 0 where every subset
    is everything).

    Args:
        reference: float32 (n, D), real images.
        generated: float32 (N, D).
        subsets: random subsets to average.
        subset_size: images of each side per subset, at most what there is.
        generator: draws the subsets.

    Raises:
        ValueError: a side with fewer than two images.
    """
    size = min(len(reference), len(generated), subset_size)
    if size < 2:
        raise ValueError("the kernel distance needs at least two images on each side")
    draws = [
        (
            generator.choice(len(generated), size, replace=False),
            generator.choice(len(reference), size, replace=False),
        )
        for _ in range(subsets)
    ]
    values, influence, seen = np.empty(subsets), np.zeros(len(generated)), np.zeros(len(generated))
    for mine, _ in draws:
        seen[mine] += 1
    if max(len(reference), len(generated)) ** 2 <= min(subsets * size**2, WHOLE_LIMIT):
        # One matrix of all pairs costs less than a matrix for each subset.
        terms = _terms(
            reference,
            generated,
            _indicators(len(reference), [real for _, real in draws]),
            _indicators(len(generated), [mine for mine, _ in draws]),
        )
        values, influence = terms.values, terms.influence
    else:
        one = np.ones((size, 1))
        for index, (mine, real) in enumerate(draws):
            terms = _terms(reference[real], generated[mine], one, one)
            values[index] = terms.values[0]
            influence[mine] += terms.influence
    sampling = (influence[seen > 0] / seen[seen > 0]).std(ddof=1) / np.sqrt(len(generated))
    choosing = values.std(ddof=1) / np.sqrt(subsets) if subsets > 1 else 0.0
    return Estimate(float(values.mean()), float(np.hypot(sampling, choosing)))


def _terms(reference: Features, generated: Features, real: Array, mine: Array) -> _Terms:
    """MMD² of subsets given as 0/1 columns `real` (n, s) and `mine` (N, s), m ones in each."""
    size = mine[:, 0].sum()
    own = _within(generated, mine) / (size - 1)  # (N, s): mean kernel to the subset's other images
    cross = _kernel(generated, reference) @ real / size  # (N, s): mean kernel to the subset's real images
    other = _within(reference, real) / (size - 1)  # (n, s)
    values = ((other * real).sum(axis=0) + (own * mine).sum(axis=0) - 2 * (cross * mine).sum(axis=0)) / size
    return _Terms(values, 2 * ((own - cross) * mine).sum(axis=1))


def _within(features: Features, chosen: Array) -> Array:
    """Σ over each subset of k(row, member), without the pair of an image with itself: (n, s)."""
    kernel = _kernel(features, features)
    np.fill_diagonal(kernel, 0.0)
    return kernel @ chosen


def _kernel(first: Features, second: Features) -> Array:
    products = (first @ second.T).astype(np.float64)
    products /= first.shape[1]
    products += 1
    return products**3


def _indicators(count: int, subsets: list[NDArray[np.int64]]) -> Array:
    columns = np.zeros((count, len(subsets)))
    for column, indices in enumerate(subsets):
        columns[indices, column] = 1
    return columns
