"""Fidelity and diversity apart: improved precision and recall, density and coverage.

A Fréchet distance is one number for both. These ask of each image whether it lies within the balls that the
k nearest neighbours span around the other side's images, in the extractor's features. All four depend on the
number of images on both sides: compare them between sets of one size only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked

Features = NDArray[np.float32]
Array = NDArray[np.float64]

K_MANIFOLD = 3  # Kynkäänniemi et al. 2019, their choice for 50 000 images
K_DENSITY = 5  # Naeem et al. 2020
FEWEST = K_DENSITY + 1  # images of a side, so that each has so many neighbours
CHUNK_MIB = 256


@dataclass(frozen=True)
class Neighbours:
    """Shares in [0, 1], but for the density, which is 1 where both sides are the same distribution.

    Attributes:
        precision: share of generated images within a ball of the real ones.
        recall: share of real images within a ball of the generated ones.
        density: balls of real images around a generated one, over k, on average; may exceed 1.
        coverage: share of real images whose ball holds a generated one.
    """

    precision: float
    recall: float
    density: float
    coverage: float


MEASURES = tuple(field.name for field in fields(Neighbours))


def neighbours(real: Features, generated: Features) -> Neighbours:
    """The four measures; Euclidean balls to the 3rd (precision, recall) and the 5th neighbour (the others).

    Args:
        real: (n, D).
        generated: (N, D).

    Raises:
        ValueError: a side with fewer images than a ball needs (six).
    """
    if min(len(real), len(generated)) < FEWEST:
        raise ValueError(f"neighbours need at least {FEWEST} images on each side")
    real_radii = _radii(real)
    manifold, dense = real_radii[K_MANIFOLD], real_radii[K_DENSITY]
    reach = _radii(generated)[K_MANIFOLD]
    precise = balls = 0
    recalled = np.zeros(len(real), dtype=bool)
    nearest = np.full(len(real), np.inf)
    start = 0
    for distances in _distances(generated, real):
        precise += int((distances <= manifold).any(axis=1).sum())
        balls += int((distances <= dense).sum())
        recalled |= (distances <= reach[start : start + len(distances), None]).any(axis=0)
        nearest = np.minimum(nearest, distances.min(axis=0))
        start += len(distances)
    return Neighbours(
        precision=precise / len(generated),
        recall=float(recalled.mean()),
        density=balls / (K_DENSITY * len(generated)),
        coverage=float((nearest <= dense).mean()),
    )


def _radii(features: Features) -> dict[int, Array]:
    """Distance of every point to its k-th nearest other point, by k: (n,) each."""
    # Position 0 of the sorted row is the point itself.
    found = [
        np.partition(rows, (K_MANIFOLD, K_DENSITY), axis=1)[:, (K_MANIFOLD, K_DENSITY)]
        for rows in _distances(features, features)
    ]
    near, far = np.concatenate(found).T
    return {K_MANIFOLD: near, K_DENSITY: far}


def _distances(first: Features, second: Features) -> Iterator[Array]:
    """Euclidean distances in chunks of rows, in float64: float32 would lose near duplicates."""
    a = first.astype(np.float64)
    b = a if second is first else second.astype(np.float64)
    found: Iterator[Array] = pairwise_distances_chunked(a, b, working_memory=CHUNK_MIB)
    return found
