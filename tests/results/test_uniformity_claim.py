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


@pytest.mark.parametrize(("examined", "expected"), [(1000, HOLDS), (999, UNDECIDED), (0, UNDECIDED)])
def test_classes_that_were_not_examined_leave_it_undecided(examined: int, expected: str) -> None:
    data = uniformity(cloud("latents", 0.0, 1.0, classes=examined)) | {"classes": 1000}
    claim = uniformity_claim(data)
    assert claim.verdict == expected
    assert (f"{examined} of 1000 classes were examined" in claim.note) == (expected == UNDECIDED)


def test_latents_that_are_not_uniform_as_a_whole_fail_without_their_classes() -> None:
    data = uniformity(cloud("latents", 0.4, 1.0, classes=0)) | {"classes": 1000}
    claim = uniformity_claim(data)
    assert claim.verdict == FAILS and "0 of 1000" in claim.note


@pytest.mark.parametrize("classes", [0, 1])
def test_without_classes_there_are_none_to_examine(classes: int) -> None:
    data = uniformity(cloud("latents", 0.0, 1.0, classes=0)) | {"classes": classes}
    assert uniformity_claim(data).verdict == HOLDS


def test_few_points_need_more_errors() -> None:
    few = cloud("latents", 0.0, 1.55, se=0.2, classes=0)  # 2.25 errors below the largest
    few["overall"]["count"] = 1000
    data = uniformity(few) | {"classes": 0}
    few["overall"]["mean_cosine"]["se"] = 1e-4
    assert uniformity_claim(data).verdict == HOLDS
    few["overall"]["count"] = 6
    assert uniformity_claim(data).verdict == UNDECIDED
