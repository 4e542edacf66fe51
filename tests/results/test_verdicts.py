"""Verdicts of numbers with standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.results.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Number,
    chance,
    chance_of,
    decide,
    difference,
    exponential,
    shifted,
)


@given(value=st.floats(-1e6, 1e6), se=st.floats(0, 1e6))
def test_verdicts_mirror(value: float, se: float) -> None:
    mirrored = {HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED}
    assert decide(Number(-value, se)) == mirrored[decide(Number(value, se))]
    assert decide(Number(value, abs(value))) == UNDECIDED


@pytest.mark.parametrize(
    ("errors", "freedom", "expected"),
    [
        (2.1, 9, UNDECIDED),
        (2.27, 9, HOLDS),
        (2.1, math.inf, HOLDS),
        (2.6, 4, UNDECIDED),
        (12.6, 1, UNDECIDED),
    ],
)
def test_few_groups_need_more_errors(errors: float, freedom: float, expected: str) -> None:
    """Student's t at 5 %: 2.262 errors of ten groups, 2.776 of five, 12.706 of two."""
    assert decide(Number(errors, 1.0, freedom)) == expected


def test_chance_decides_one_of_twenty() -> None:
    """Ten groups without a difference: two errors would have decided one of thirteen."""
    groups = np.random.default_rng(0).standard_normal((20_000, 10))
    errors = groups.std(axis=1, ddof=1) / math.sqrt(10)
    numbers = [Number(*pair, 9) for pair in zip(groups.mean(axis=1), errors, strict=True)]
    assert np.mean([decide(number) != UNDECIDED for number in numbers]) == pytest.approx(0.05, abs=0.005)
    assert np.mean([abs(number.value) > 2 * number.se for number in numbers]) > 0.07


def test_freedom_follows_the_numbers() -> None:
    few, many = Number(3.0, 1.0, 4), Number(1.0, 1.0, 9)
    assert difference(few, many).freedom == difference(many, few).freedom == 4
    assert shifted(few, 1.0).freedom == exponential(few).freedom == 4


def test_the_chance_of_several_conditions() -> None:
    weak, strong, against = Number(2.0, 1.0), Number(5.0, 1.0), Number(-4.0, 1.0)
    assert chance_of(HOLDS, [weak, strong]) == chance(weak)
    assert chance_of(FAILS, [strong, against]) == 2 * chance(against)
    assert chance_of(UNDECIDED, []) is None
