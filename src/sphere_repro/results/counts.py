"""Fréchet distances of unequal numbers of images, brought to one number.

A Fréchet distance of n images from N is too large by about c·(1/n + 1/N). Two halves of the real images have
the true distance 0, so that the floor between them measures c. Images far from the real ones may have another
c: a correction counts with an error as large as itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sphere_repro.results.floor import slope
from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.results.trainings import Trained
from sphere_repro.results.verdicts import Number


def distances(scored: Sequence[tuple[RunScores, SetScore]]) -> list[Number]:
    """The distances of sets of one dataset and metric, as if each had as many images as the largest of them.

    Not numbers where the counts differ and no floor is known.
    """
    count = max(score.count for _, score in scored)
    return [_brought(run, score, count) for run, score in scored]


def trained(scored: Sequence[tuple[RunScores, SetScore]]) -> list[Trained]:
    """The same of means over trainings, with the deviation between them; a correction is common to all."""
    return [
        Trained(number.value, number.se, number.freedom, score.trainings, score.deviation)
        for number, (_, score) in zip(distances(scored), scored, strict=True)
    ]


def words(scored: Sequence[tuple[RunScores, SetScore]]) -> str:
    """What to say of unequal numbers of images; empty where they are equal."""
    if any(math.isnan(number.value) for number in distances(scored)):
        return "the sets have unequal numbers of images, and there is no floor that says what that does"
    counts = sorted({score.count for _, score in scored})
    if len(counts) < 2:
        return ""
    return f"distances of {', '.join(map(str, counts[:-1]))} images are brought to {counts[-1]}"


def _brought(run: RunScores, score: SetScore, count: int) -> Number:
    """The distance of one set, less what its smaller number of images adds to it."""
    if score.count == count:
        return Number(score.frechet, score.frechet_se, run.freedom)
    if run.floor is None or run.floor_count is None:
        return Number(math.nan, math.nan)
    surplus = slope(run.floor, run.floor_count) * (1 / score.count - 1 / count)
    return Number(score.frechet - surplus, math.hypot(score.frechet_se, surplus), run.freedom)
