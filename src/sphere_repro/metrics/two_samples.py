"""How far apart two samples of points are: two classifiers, a kernel's MMD, a sliced Wasserstein distance.

Each statistic is larger the further apart the samples are, and comes with the values that it takes when the
points are exchanged between the samples at random (its permutation null), with the rank of its own value
among these (p), and with an effect size that does not grow with the number of points.

* `quadratic`, `neighbours`: area under the ROC curve (AUC) of a classifier on points that it was not trained
  on: 0.5 for samples of one distribution, 1 for samples that never overlap (Lopez-Paz and Oquab 2017,
  "Revisiting classifier two-sample tests"). The first is a kernel ridge regression on the labels with the
  kernel (1 + x·y/s)² + q(x)·q(y), s the mean squared length and q the standardised squared length; it sees
  means and covariances, and lengths, which alone would drown among many covariances. The second is the share
  of the first sample among the ten nearest points.
* `mmd`: the unbiased squared maximum mean discrepancy with a Gaussian kernel as wide as the median distance
  (Gretton et al. 2012, "A kernel two-sample test", lemma 6).
* `wasserstein`: the Wasserstein-1 distance of projections to random directions, on average over these
  (Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

Array = NDArray[np.float64]
Places = NDArray[np.int64]

FOLDS = 5
RIDGE = 1.0  # added to the quadratic kernel's diagonal, which is 4 on average over points of one length
ALIKE = 1e-5  # lengths that differ by less, relatively, differ by rounding: points of a sphere in float32
NEAREST = 10
SLICES = 100  # random directions
FEWEST = 2 * FOLDS  # points of a sample: two of each in every fold
CLASSIFIERS = ("quadratic", "neighbours")
STATISTICS = (*CLASSIFIERS, "mmd", "wasserstein")


@dataclass(frozen=True)
class Exchanged:
    """Who belongs to the first sample: as it is, and after random exchanges.

    Attributes:
        folds: int64 (N,), the fold of each point; both samples are spread evenly over them.
        first: float64 (N, 1 + permutations) of 0 and 1; column 0 is how it is. Points are exchanged within
            their fold, so that each fold keeps as many of both samples.
    """

    folds: Places
    first: Array

    @classmethod
    def draw(cls, sizes: tuple[int, int], permutations: int, generator: np.random.Generator) -> Exchanged:
        """Folds and exchanges of two samples of these sizes, the first sample's points first."""
        places = [generator.permutation(size) % FOLDS for size in sizes]
        folds = np.concatenate(places)
        labels = np.repeat([1.0, 0.0], sizes)
        first = np.tile(labels[:, None], (1, 1 + permutations))
        for fold in range(FOLDS):
            own = np.flatnonzero(folds == fold)
            first[own, 1:] = generator.permuted(first[own, 1:], axis=0)
        return cls(folds, first)


def compare(first: Array, second: Array, *, permutations: int, seed: int) -> dict[str, Any]:
    """A JSON-able record: every statistic of two samples, beside its permutation null.

    Args:
        first: (n, L), at least `FEWEST` points.
        second: (m, L), of the same unit.
        permutations: random exchanges, at least 2.
        seed: of folds, exchanges and directions.

    Returns:
        For each of `STATISTICS` its `value`, `null_mean`, `null_sd`, `null_q95`, `standardised`, `p` and
        `effect`: of a classifier the AUC itself; of `mmd` its share of the mean kernel within the samples (0:
        one distribution; 1 - exp(-1/2) = 0.39: two points far apart, as the kernel is as wide as the median
        distance); of `wasserstein`, in the points' unit, the root of what its square has beyond that of the
        null's mean, which is what chance adds. Classifiers have the AUC's standard error `se` over points
        too (DeLong).

    Raises:
        ValueError: too few points, or samples of other dimensions.
    """
    if min(len(first), len(second)) < FEWEST or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"two samples of at least {FEWEST} points of one dimension are compared")
    generator = np.random.default_rng([seed, len(first), len(second), first.shape[1]])
    points = np.concatenate([first, second]).astype(np.float64)
    exchanged = Exchanged.draw((len(first), len(second)), permutations, generator)
    gram = points @ points.T
    squares = _squared_distances(gram)
    curves = {
        "quadratic": auc(_scores(exchanged, _ridge(gram, exchanged.first)), exchanged),
        "neighbours": auc(_scores(exchanged, _votes(squares, exchanged.first)), exchanged),
    }
    record = {
        name: {**beside_null(values), "effect": float(values[0]), "se": se}
        for name, (values, se) in curves.items()
    }
    values, share = mmd(squares, exchanged.first)
    record["mmd"] = {**beside_null(values), "effect": share}
    found = beside_null(sliced_wasserstein(points, exchanged.first, generator))
    record["wasserstein"] = {
        **found,
        "effect": float(np.sqrt(max(0.0, found["value"] ** 2 - found["null_mean"] ** 2))),
    }
    return record


def beside_null(values: Array) -> dict[str, float]:
    """A value, which is the first, beside the values of its null (1 + draws,).

    `p` is its rank among these, (1 + number at least as large)/(1 + draws); `standardised` its distance from
    their mean in their standard deviations, 0 where they do not differ.
    """
    value, null = float(values[0]), values[1:]
    deviation = float(null.std(ddof=1))
    return {
        "value": value,
        "null_mean": float(null.mean()),
        "null_sd": deviation,
        "null_q95": float(np.quantile(null, 0.95)),
        "standardised": (value - float(null.mean())) / deviation if deviation > 0 else 0.0,
        "p": float((1 + np.count_nonzero(null >= value)) / (1 + len(null))),
    }


def smallest_p(record: Mapping[str, Any]) -> float:
    """The smallest p of the statistics of `compare`, times their number (Bonferroni), at most 1."""
    return min(1.0, len(STATISTICS) * min(float(record[name]["p"]) for name in STATISTICS))


def auc(scores: Iterator[tuple[Places, Array]], exchanged: Exchanged) -> tuple[Array, float]:
    """The area under the ROC curve in each fold, on average over folds.

    Args:
        scores: of each fold its points' places (t,) and their scores (t, columns), larger for the first
            sample.
        exchanged: whose columns the scores belong to.

    Returns:
        One value for each column, and the standard error of the first column's over points (DeLong et al.
        1988), with the classifiers as they are. It is never below 1/(n + 2), n points of the smaller sample:
        that all are told apart does not make it certain.
    """
    areas, variances = [], []
    for places, found in scores:
        first = exchanged.first[places]
        ranks = stats.rankdata(found, axis=0)
        ones = first[:, 0].sum()
        zeros = len(places) - ones
        areas.append(((first * ranks).sum(axis=0) - ones * (ones + 1) / 2) / (ones * zeros))
        variances.append(_delong(ranks[:, 0], found[:, 0], first[:, 0] == 1))
    smaller = min(exchanged.first[:, 0].sum(), (1 - exchanged.first[:, 0]).sum())
    se = np.sqrt(sum(variances)) / len(variances)
    return np.mean(areas, axis=0), float(max(se, 1 / (smaller + 2)))


def mmd(squares: Array, first: Array) -> tuple[Array, float]:
    """The unbiased squared MMD of each column of `first` (N, columns), and the first column's share.

    Args:
        squares: squared distances of all points (N, N).
        first: 1 for the first sample, 0 for the second; as many of both in every column.
    """
    upper = squares[np.triu_indices(len(squares), 1)]
    kernel = np.exp(-squares / (2 * max(float(np.median(upper)), np.finfo(float).tiny)))
    np.fill_diagonal(kernel, 0.0)
    ones = first[:, 0].sum()
    zeros = len(first) - ones
    within = ((kernel @ first) * first).sum(axis=0)
    between = first.T @ kernel.sum(axis=1) - within
    others = kernel.sum() - within - 2 * between
    inside = within / (ones * (ones - 1)) + others / (zeros * (zeros - 1))
    values = inside - 2 * between / (ones * zeros)
    return values, float(values[0] / inside[0]) if inside[0] > 0 else 0.0


def sliced_wasserstein(points: Array, first: Array, generator: np.random.Generator) -> Array:
    """The Wasserstein-1 distance of projections of `points` (N, L), on average over directions, by column."""
    directions = generator.standard_normal((points.shape[1], SLICES))
    directions /= np.linalg.norm(directions, axis=0)
    ones = first[:, 0].sum()
    zeros = len(first) - ones
    below = np.arange(1, len(first))[:, None] / zeros
    total = np.zeros(first.shape[1])
    for projected in (points @ directions).T:
        order = np.argsort(projected, kind="stable")
        apart = np.cumsum(first[order[:-1]], axis=0) * (1 / ones + 1 / zeros) - below
        total += np.diff(projected[order]) @ np.abs(apart)
    return total / SLICES


Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # places that are told, and that are trained on


def _scores(exchanged: Exchanged, score: Callable[[Places, Places], Array]) -> Iterator[tuple[Places, Array]]:
    for fold in range(FOLDS):
        told, trained = (
            np.flatnonzero(where) for where in (exchanged.folds == fold, exchanged.folds != fold)
        )
        yield told, score(told, trained)


def _ridge(gram: Array, first: Array) -> Callable[[Places, Places], Array]:
    """Kernel ridge regression on the labels: all columns are solved with one factor of the kernel."""
    lengths = np.diagonal(gram)
    scale, spread = max(float(lengths.mean()), np.finfo(float).tiny), float(lengths.std())
    longer = (lengths - scale) / spread if spread > ALIKE * scale else np.zeros(len(lengths))
    kernel = (1 + gram / scale) ** 2 + np.outer(longer, longer)

    def score(told: Places, trained: Places) -> Array:
        labels = first[trained] - first[trained].mean(axis=0)
        factor = linalg.cho_factor(kernel[np.ix_(trained, trained)] + RIDGE * np.eye(len(trained)))
        return np.asarray(kernel[np.ix_(told, trained)] @ linalg.cho_solve(factor, labels))

    return score


def _votes(squares: Array, first: Array) -> Callable[[Places, Places], Array]:
    """How many of the nearest points that are trained on belong to the first sample."""

    def score(told: Places, trained: Places) -> Array:
        count = min(NEAREST, len(trained) - 1)
        near = np.argpartition(squares[np.ix_(told, trained)], count, axis=1)[:, :count]
        return np.asarray(first[trained][near].sum(axis=1))

    return score


def _squared_distances(gram: Array) -> Array:
    lengths = np.diagonal(gram)
    squares = lengths[:, None] + lengths[None] - 2 * gram
    np.fill_diagonal(squares, 0.0)
    return np.maximum(squares, 0.0)


def _delong(ranks: Array, scores: Array, first: NDArray[np.bool_]) -> float:
    """The variance of an area under the curve over the points of both samples."""
    ones, zeros = int(first.sum()), int((~first).sum())
    of_first = (ranks[first] - stats.rankdata(scores[first])) / zeros
    of_second = 1 - (ranks[~first] - stats.rankdata(scores[~first])) / ones
    return float(of_first.var(ddof=1) / ones + of_second.var(ddof=1) / zeros)
