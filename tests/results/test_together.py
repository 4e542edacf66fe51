"""Claims that are tested at once."""

from __future__ import annotations

import numpy as np
import pytest

from sphere_repro.results.statements import Claim, claim_of
from sphere_repro.results.together import number_tested, together
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, Number, decide


def claim(errors: float | None, note: str = "") -> Claim:
    numbers = [] if errors is None else [Number(errors, 1.0)]
    verdict = decide(numbers[0]) if numbers else UNDECIDED
    return claim_of("few-steps-beat-one", "r", "d", "m", verdict, {}, note, numbers)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((2.1,), (HOLDS,)),  # one alone has nothing to correct
        ((2.1, None), (HOLDS,)),  # what was not tested does not count
        ((2.1, 0.5), (UNDECIDED, UNDECIDED)),
        ((2.1, -9.0), (HOLDS, FAILS)),  # the surer one first, then one is left
        ((2.3, 2.3, 0.0), (UNDECIDED, UNDECIDED, UNDECIDED)),
        ((2.4, 9.0, -2.4), (HOLDS, HOLDS, FAILS)),
    ],
)
def test_holms_correction(errors: tuple[float | None, ...], expected: tuple[str, ...]) -> None:
    found = together([claim(each) for each in errors])
    assert tuple(each.verdict for each in found)[: len(expected)] == expected
    assert number_tested(found) == sum(each is not None for each in errors)


def test_what_a_single_test_said_is_told() -> None:
    found = together([claim(-2.1, "a note"), claim(0.5)])[0]
    assert found.note == (
        "a note; alone it does not hold (chance 0.036), but not among 2 statements tested at once"
    )


def test_untrue_statements_are_seldom_decided() -> None:
    """Twenty statements of which none is true or false: without a correction most studies decide one."""
    generator = np.random.default_rng(0)
    studies = [[claim(float(each)) for each in generator.standard_normal(20)] for _ in range(400)]
    wrong = [any(each.verdict != UNDECIDED for each in together(study)) for study in studies]
    assert np.mean(wrong) < 0.08
    assert np.mean([any(each.verdict != UNDECIDED for each in study) for study in studies]) > 0.5
