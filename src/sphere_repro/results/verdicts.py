"""Numbers with their standard errors, and the verdicts that they allow.

A verdict needs a difference of two combined standard errors; below that it is undecided. The standard errors
do not know that sets share seeds and reference images, which makes them too large rather than too small, nor
that another training would differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
STANDARD_ERRORS = 2.0  # a difference counts from so many combined standard errors


@dataclass(frozen=True)
class Number:
    """A number, its standard error, and why it says nothing where it does (`results.degenerate`)."""

    value: float
    se: float
    doubt: str = ""

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.se:.2g}"


def decide(excess: Number) -> str:
    """Holds when `excess` is above 0 by two standard errors, does not hold when below by as much."""
    if not (math.isfinite(excess.value) and math.isfinite(excess.se)):
        return UNDECIDED
    if abs(excess.value) <= STANDARD_ERRORS * excess.se:
        return UNDECIDED
    return HOLDS if excess.value > 0 else FAILS


def every(verdicts: Iterable[str]) -> str:
    """The verdict of a claim with several conditions: all must hold."""
    found = set(verdicts)
    if FAILS in found:
        return FAILS
    return HOLDS if found == {HOLDS} else UNDECIDED


def difference(first: Number, second: Number) -> Number:
    """first - second, of independent numbers."""
    return Number(first.value - second.value, math.hypot(first.se, second.se))


def shifted(number: Number, by: float) -> Number:
    """A number plus an exact one."""
    return Number(number.value + by, number.se)


def exponential(number: Number) -> Number:
    """exp(number), its standard error to first order."""
    ratio = math.exp(number.value)
    return Number(ratio, ratio * number.se)
