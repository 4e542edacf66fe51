"""Fidelity and diversity apart: improved precision and recall, density and coverage.

A Fréchet distance is one number for both. These ask of each image whether it lies within the balls that the
k nearest neighbours span around the other side's images, in the extractor's features. All four depend on the
number of images on both sides: compare them between sets of one size only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Balls:
    """One side's images and the balls around them, found once for any number of other sides.

    Attributes:
        features: (n, D).
        manifold: distance of each to its 3rd nearest other one, (n,).
        dense: to its 5th.
    """

    features: Features
    manifold: Array
    dense: Array

    @classmethod
    def of(cls, features: Features) -> Self:
        """Of images' features (n, D).

        Raises:
            ValueError: fewer images than a ball needs (six).
        """
        if len(features) < FEWEST:
            raise ValueError(f"neighbours need at least {FEWEST} images on each side")
        wanted = (K_MANIFOLD, K_DENSITY)  # position 0 of a sorted row is the image itself
        found = [
            np.partition(_own_at_zero(rows, start), wanted, axis=1)[:, wanted]
            for start, rows in _distances(features, features)
        ]
        manifold, dense = np.concatenate(found).T
        return cls(features, manifold, dense)


def neighbours(real: Balls, generated: Balls) -> Neighbours:
    """The four measures: by balls to the 3rd neighbour precision and recall, to the 5th the others."""
    precise = balls = 0
    recalled = np.zeros(len(real.features), dtype=bool)
    nearest = np.full(len(real.features), np.inf)
    for start, distances in _distances(generated.features, real.features):
        precise += int((distances <= real.manifold).any(axis=1).sum())
        balls += int((distances <= real.dense).sum())
        reach = generated.manifold[start : start + len(distances), None]
        recalled |= (distances <= reach).any(axis=0)
        nearest = np.minimum(nearest, distances.min(axis=0))
    count = len(generated.features)
    return Neighbours(
        precision=precise / count,
        recall=float(recalled.mean()),
        density=balls / (K_DENSITY * count),
        coverage=float((nearest <= real.dense).mean()),
    )


def _distances(first: Features, second: Features) -> Iterator[tuple[int, Array]]:
    """Euclidean distances (rows, n) of images to others by |a|² - 2·a·b + |b|², with the first row's place.

    In chunks of rows that `CHUNK_MIB` hold, in float64: float32 would lose near duplicates.
    """
    a = first.astype(np.float64)
    b = a if second is first else second.astype(np.float64)
    squares, others = (np.einsum("ij,ij->i", each, each) for each in (a, b))
    rows = max(1, CHUNK_MIB * 2**20 // (8 * len(b)))
    for start in range(0, len(a), rows):
        chunk = slice(start, start + rows)
        found = a[chunk] @ b.T
        found *= -2
        found += squares[chunk, None]
        found += others
        yield start, np.sqrt(np.maximum(found, 0, out=found), out=found)


def _own_at_zero(distances: Array, start: int) -> Array:
    """Distances (rows, n) of the images from `start` on to all, with those to themselves put to exactly 0."""
    rows = np.arange(len(distances))
    distances[rows, start + rows] = 0
    return distances
