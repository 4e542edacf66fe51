"""Reconstruction against sampling: where models of one dataset lie, and VAEs over their KL weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sphere_repro.results.compared import plain
from sphere_repro.results.scores import RunScores, SetScore

MOST_ORDERS = 50_000  # that are tried one by one; of more values as many orders are drawn


@dataclass(frozen=True)
class Point:
    """One model: how far its reconstructions and its draws lie from the real images.

    Attributes:
        run: its scores, of several trainings the mean.
        rebuilt: of its reconstructions.
        drawn: of unguided draws: a standard normal, or random points of the sphere.
    """

    run: RunScores
    rebuilt: SetScore
    drawn: SetScore

    @property
    def doubt(self) -> str:
        """Why one of both says nothing; empty where both may be believed."""
        return "; ".join(dict.fromkeys(score.doubt for score in (self.rebuilt, self.drawn) if score.doubt))


def point(run: RunScores, steps: int = 1) -> Point | None:
    """Where a run lies; a Sphere Encoder by its draws of `steps`, others by those of the prior.

    None where a set is missing.
    """
    rebuilt = run.find("reconstruction")
    drawn = plain(run, steps, guidance="") if run.kind == "sphere" else run.find("prior")
    return Point(run, rebuilt, drawn) if rebuilt and drawn else None


def by_weight(runs: Sequence[RunScores]) -> list[Point]:
    """The VAEs among `runs` whose KL weight is known, by that weight."""
    found = [point(run) for run in runs if run.kind == "vae" and run.kl is not None]
    return sorted((each for each in found if each), key=lambda each: each.run.kl or 0.0)


def weight(kl: float | None) -> str:
    """A KL weight as studies write it: 1e-6, 3e-3, 1."""
    if not kl or kl >= 1:
        return "?" if kl is None else f"{kl:g}"
    digits, _, power = f"{kl:e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def decades(points: Sequence[Point]) -> float:
    """Over how many decades the KL weights of VAEs go; those of weight 0 lie beyond any."""
    weights = [each.run.kl for each in points if each.run.kl]
    return math.log10(max(weights) / min(weights)) if weights else 0.0


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Spearman's ρ of pairs, and how often orders at random give one as far from 0, on both sides.

    All orders are tried where there are few, else `MOST_ORDERS` are drawn from a fixed seed, and the given
    one counts among them (Phipson and Smyth, 2010).

    Args:
        first, second: as many numbers each.

    Returns:
        ρ in [-1, 1], and p in (0, 1]; no number and 1 where one is no number, or those of a side are alike.
    """
    if not np.isfinite([*first, *second]).all() or min(len({*first}), len({*second})) < 2:
        return math.nan, 1.0
    one, other = (_doubled_ranks(values) for values in (first, second))

    def products(moved: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.sum(moved * other, axis=axis)  # grows with rho, and is exact
        return found

    found = stats.permutation_test(
        (one,), products, permutation_type="pairings", vectorized=True, n_resamples=MOST_ORDERS,
        batch=10_000, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(stats.spearmanr(first, second).statistic), float(found.pvalue)


def _doubled_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Twice the ranks (those of ties their mean): whole numbers, so that orders which tie are equal in sum."""
    ranks: NDArray[np.float64] = 2 * stats.rankdata(values)
    return ranks
