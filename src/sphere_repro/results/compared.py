"""Sets of scored images that a claim compares: which they are, their numbers, what is to be said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sphere_repro.results import degenerate
from sphere_repro.results.counts import distances, words
from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.results.trainings import Trained
from sphere_repro.results.verdicts import Number, difference


def plain(run: RunScores, steps: int, guidance: str | None = None) -> SetScore | None:
    """The set of the paper's scheme with `steps`; without `guidance`, the first that was drawn."""
    return next((each for each in all_plain(run, steps) if guidance in (None, each.guidance)), None)


def all_plain(run: RunScores, steps: int) -> list[SetScore]:
    """The sets of the paper's scheme with `steps`, one for each guidance."""
    return [record for record in run.records if record.steps == steps and record.default_scheme]


def lead_of(scored: Sequence[tuple[RunScores, SetScore]]) -> Number:
    """The distance of the nearest of the others minus that of the first."""
    first, *others = distances(scored)
    unknown = next((number for number in others if math.isnan(number.value)), None)
    return difference(unknown or min(others, key=lambda number: number.value), first)


def said_of(scored: Sequence[tuple[RunScores, SetScore]]) -> str:
    """How unequal counts were met, and which sets do not show their classes, which no distance says."""
    several = len({run.run for run, _ in scored}) > 1
    pairs = [
        (f"{run.run} {score.set}" if several else score.set, score.unrecognised) for run, score in scored
    ]
    return joined(words(scored), degenerate.listed(pairs))


def joined(*notes: str) -> str:
    """Those notes that say something, in one line."""
    return "; ".join(filter(None, notes))


def distance_of(run: RunScores, score: SetScore) -> Number:
    """A set's distance with its whole error, and why it says nothing where that is so."""
    doubt = f"{score.set}: {score.doubt}" if score.doubt else ""
    return Trained(
        score.frechet, score.frechet_se, run.freedom, score.trainings, score.deviation, doubt
    ).number


def shift_of(scored: Sequence[tuple[RunScores, SetScore]]) -> tuple[tuple[Number, Number], Number]:
    """How far two sets lie from a first one: both shifts, and by how much the second is the larger one.

    Shifts have signs; compared are their sizes. The errors are independent, and the first set, which both
    shifts share, counts once: it cancels where they have the same sign, and counts twice where they have not.
    """
    base, one, other = distances(scored)
    shifts = difference(one, base), difference(other, base)
    signs = [math.copysign(1.0, shift.value) for shift in shifts]
    shared = signs[0] - signs[1]  # of the base in |other - base| - |one - base|
    se = math.sqrt(one.se**2 + other.se**2 + (shared * base.se) ** 2)
    freedom = min(base.freedom, one.freedom, other.freedom)
    return shifts, Number(abs(shifts[1].value) - abs(shifts[0].value), se, freedom)
