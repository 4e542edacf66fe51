"""Numbers with their standard errors, and the verdicts that they allow.

A verdict takes a difference that chance alone makes in fewer than one of twenty cases (Student's t, on both
sides); otherwise it is undecided. The standard errors do not know that sets share seeds and reference images,
which makes them too large rather than too small, nor that another training would differ (`trainings` does).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scipy import stats

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
LEVEL = 0.05  # how often chance alone may decide


@dataclass(frozen=True)
class Number:
    """A number and its standard error.

    Attributes:
        freedom: the error's degrees of freedom: a jackknife's groups less one.
        doubt: why it says nothing, where it does (`results.degenerate`).
    """

    value: float
    se: float
    freedom: float = field(default=math.inf, compare=False)
    doubt: str = ""

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.se:.2g}"


def chance(excess: Number) -> float:
    """How often a number as far from 0 comes about where the true one is 0, in [0, 1]; 1 where it is none."""
    if not (math.isfinite(excess.value) and math.isfinite(excess.se)):
        return 1.0
    if excess.se == 0:
        return 0.0 if excess.value else 1.0
    return float(2 * stats.t.sf(abs(excess.value) / excess.se, excess.freedom))


def decide(excess: Number) -> str:
    """Holds when `excess` is above 0 by more than chance explains, does not hold when below by as much."""
    if chance(excess) >= LEVEL:
        return UNDECIDED
    return HOLDS if excess.value > 0 else FAILS


def every(verdicts: Iterable[str]) -> str:
    """The verdict of a claim with several conditions: all must hold."""
    found = set(verdicts)
    if FAILS in found:
        return FAILS
    return HOLDS if found == {HOLDS} else UNDECIDED


def chance_of(verdict: str, tested: Sequence[Number]) -> float | None:
    """How often chance alone gives the verdict of `every` on these numbers; None where none was tested.

    All must hold, so the weakest says it; one suffices to fail, so the strongest does, once for each that
    could have been it (Bonferroni).
    """
    found = [chance(excess) for excess in tested]
    if not found:
        return None
    if verdict != FAILS:
        return max(found)
    failing = [each for each, excess in zip(found, tested, strict=True) if excess.value < 0]
    return min(1.0, len(found) * min(failing))


def difference(first: Number, second: Number) -> Number:
    """first - second, of independent numbers; the freedom is the smaller one, which errs on the safe side."""
    se = math.hypot(first.se, second.se)
    return Number(first.value - second.value, se, min(first.freedom, second.freedom))


def share(hits: int, count: int, doubt: str = "") -> Number:
    """A share of `count` with a standard error that is not 0 where none, or all, are (Agresti-Coull)."""
    middle = (hits + 2) / (count + 4)
    return Number(hits / count, math.sqrt(middle * (1 - middle) / (count + 4)), doubt=doubt)


def shifted(number: Number, by: float) -> Number:
    """A number plus an exact one."""
    return Number(number.value + by, number.se, number.freedom)


def exponential(number: Number) -> Number:
    """exp(number), its standard error to first order."""
    ratio = math.exp(number.value)
    return Number(ratio, ratio * number.se, number.freedom)
