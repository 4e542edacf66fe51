"""The noise angle's claim: by the distance from the law and its error."""

from __future__ import annotations

import pytest
from study_results import angles

from sphere_repro.results.noise_angle_claim import noise_angle_claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED


@pytest.mark.parametrize(
    ("full", "some", "draws", "expected"),
    [
        (0.01, 0.01, 10_000, HOLDS),
        (0.01, 0.2, 10_000, FAILS),
        (0.2, 0.01, 10_000, FAILS),
        (0.01, 0.045, 10_000, UNDECIDED),
        (0.01, 0.01, 60, UNDECIDED),
    ],
)
def test_verdicts(full: float, some: float, draws: int, expected: str) -> None:
    claim = noise_angle_claim({"run": "digits"} | angles(full, some, draws))
    assert claim is not None and claim.verdict == expected
    assert "median angle 79.9° at 80° of noise, 72° to 88° in nine of ten cases, in 128" in claim.note
    assert claim.numbers["distance, any strength"].value == some


def test_without_noise_there_is_nothing_to_say() -> None:
    assert noise_angle_claim({"run": "digits"}) is None
