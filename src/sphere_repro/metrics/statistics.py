"""Features and their first two moments, the file that keeps them, and how a standard error is taken.

Moments are float64 as NumPy and Clean-FID define them (covariance over N-1), whatever the features' type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output


@dataclass(frozen=True)
class Statistics:
    """Features of N images and their moments.

    Attributes:
        features: float32 (N, D); kept because the kernel distance needs them. N is 0 where others published
            the moments alone.
        mean: float64 (D,).
        covariance: float64 (D, D), over N-1.
    """

    features: NDArray[np.float32]
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.features)


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error: the spread to expect from drawing as many generated images again.

    The real images count as fixed; the bias of a finite number of images is not a part of it.
    """

    value: float
    standard_error: float


def make_statistics(features: NDArray[np.float32]) -> Statistics:
    """Moments of features (N, D).

    Raises:
        ValueError: fewer than two images, or features that are not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"statistics need at least two rows of features, not an array of shape {features.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite")
    exact = features.astype(np.float64)
    covariance = np.atleast_2d(np.cov(exact, rowvar=False))
    return Statistics(features.astype(np.float32), exact.mean(axis=0), covariance)


def save_statistics(
    path: Path, statistics: Statistics, more: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Write an npz, atomically; the same statistics give the same bytes (NumPy dates its entries 1980).

    `more`: further arrays to keep in the file, under names of their own.
    """
    with atomic_output(path) as temporary:
        np.savez(
            temporary,
            features=statistics.features,
            mean=statistics.mean,
            covariance=statistics.covariance,
            **(more or {}),  # type: ignore[arg-type]
        )


def load_statistics(path: Path) -> Statistics:
    """Read what `save_statistics` wrote.

    Raises:
        UserError: the file is missing, truncated, foreign, or its arrays do not fit together.
    """
    if not path.is_file():
        raise UserError(f"Reference statistics {path} do not exist. Make them first, or check the path.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            statistics = Statistics(archive["features"], archive["mean"], archive["covariance"])
    except Exception as error:  # what NumPy and zipfile raise on damaged bytes has no common base
        raise _unusable(path, "is truncated or was not written by this package") from error
    images, dimension = statistics.features.shape if statistics.features.ndim == 2 else (0, 0)
    moments = (statistics.mean, statistics.covariance)
    if (
        images == 1
        or dimension < 1
        or statistics.features.dtype != np.float32
        or any(moment.dtype != np.float64 for moment in moments)
        or [moment.shape for moment in moments] != [(dimension,), (dimension, dimension)]
    ):
        raise _unusable(path, "holds arrays of the wrong type or shape")
    if not all(np.isfinite(array).all() for array in (statistics.features, *moments)):
        raise _unusable(path, "holds numbers that are not finite")
    return statistics


def clopper_pearson(hits: int, count: int, confidence: float) -> tuple[float, float]:
    """Both ends, in [0, 1], of the exact interval of a share, `hits` of `count` (Clopper and Pearson 1934).

    Args:
        hits, count: 0 ≤ hits ≤ count, count at least 1.
        confidence: how often the interval holds the share at least, in (0, 1).
    """
    beyond = (1 - confidence) / 2
    low = special.betaincinv(hits, count - hits + 1, beyond) if hits else 0.0
    high = special.betaincinv(hits + 1, count - hits, 1 - beyond) if hits < count else 1.0
    return float(low), float(high)


def jackknife_groups(count: int, groups: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Disjoint random groups of equal size, int (K, count // K), to be left out in turn.

    Where K does not divide the count, the few images that remain are never left out: groups of one size all
    give replicates with the same bias, which then cancels.

    Raises:
        UserError: fewer images than groups, or too few images for a covariance without a group.
    """
    if count < groups or count - count // groups < 2:
        raise UserError(
            f"{count} images are too few for {groups} jackknife groups. Draw more images (sampling.count) or "
            "lower score.jackknife_groups."
        )
    size = count // groups
    return generator.permutation(count)[: groups * size].reshape(groups, size)


def jackknife_error(replicates: NDArray[np.float64]) -> float:
    """Standard error from the K values that leave one group out each: √((K-1)/K·Σ(θ_k - mean)²)."""
    groups = len(replicates)
    return float(np.sqrt((groups - 1) / groups * np.sum((replicates - replicates.mean()) ** 2)))


def _unusable(path: Path, fault: str) -> UserError:
    return UserError(f"Reference statistics {path}: the file {fault}. Delete it and make it again.")
