"""Uniform latents: judged by effect size, and against controls."""

from __future__ import annotations

import pytest
from study_results import cloud, uniformity

from sphere_repro.results.uniformity_claim import uniformity_claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED


@pytest.mark.parametrize(
    ("cosine", "anisotropy", "se", "expected"),
    [
        (0.0, 1.0, 1e-4, HOLDS),
        (0.005, 1.8, 1e-4, HOLDS),
        (0.05, 1.0, 1e-4, FAILS),
        (0.0, 5.0, 1e-4, FAILS),
        (0.005, 1.0, 0.01, UNDECIDED),
    ],
)
def test_uniform_is_judged_by_effect_size(cosine: float, anisotropy: float, se: float, expected: str) -> None:
    claim = uniformity_claim(uniformity(cloud("latents", cosine, anisotropy, se)))
    assert claim.verdict == expected


def test_controls_that_say_nothing_leave_uniformity_undecided() -> None:
    fine = cloud("latents", 0.0, 1.0)
    data = uniformity(fine)
    data["clouds"]["pixels"] = cloud("pixels", 0.0, 1.0)
    claim = uniformity_claim(data)
    assert claim.verdict == UNDECIDED and "controls" in claim.note
    assert uniformity_claim(uniformity(fine, uniform=0.3)).verdict == UNDECIDED
