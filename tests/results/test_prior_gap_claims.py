"""Latents and their prior: judged by the area under the curve, only where both controls are as they must."""

from __future__ import annotations

from typing import Any

import pytest
from study_results import cloud, uniformity

from prior_results import gap
from sphere_repro.results.prior_gap_claims import prior_gap_claims
from sphere_repro.results.statements import Claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED

APART, NEAR = "vae-posterior-is-not-its-prior", "sphere-latents-are-like-its-prior"


def judged(
    own: dict[str, Any] | None, other: dict[str, Any] | None, still: dict[str, str] | None = None
) -> dict[str, Claim]:
    data = uniformity(cloud("latents", 0.0, 1.0)) | {"baseline_run": "digits-vae"}
    data["prior_gap"] = {"latents": own, "baseline": other}
    found = prior_gap_claims(data, still or {}, {"digits-vae": "the VAE's KL weight is 0.001"})
    return {claim.claim: claim for claim in found}


@pytest.mark.parametrize(
    ("own", "other", "apart", "near"),
    [
        (gap(0.52), gap(0.99), HOLDS, HOLDS),
        (gap(0.9), gap(0.99), HOLDS, FAILS),
        (gap(0.52), gap(0.52), FAILS, FAILS),
        (gap(0.64), gap(0.99), HOLDS, UNDECIDED),
        (gap(0.52), gap(0.65), UNDECIDED, UNDECIDED),
        (gap(0.52, near=0.55), gap(0.99), HOLDS, HOLDS),
        (
            gap(0.55),
            gap(0.52) | {"gap": gap(0.52, near=0.9)["gap"]},
            HOLDS,
            HOLDS,
        ),  # one classifier is enough
        (gap(0.52) | {"gap": gap(0.52, near=0.9)["gap"]}, gap(0.99), HOLDS, FAILS),
        (gap(0.52) | {"gap": gap(0.52, se=0.1)["gap"]}, gap(0.99), HOLDS, UNDECIDED),  # too few latents
    ],
)
def test_the_verdicts(own: dict[str, Any], other: dict[str, Any], apart: str, near: str) -> None:
    found = judged(own, other)
    assert (found[APART].verdict, found[NEAR].verdict) == (apart, near)
    assert (found[APART].run, found[NEAR].run) == ("digits-vae", "digits")
    assert (
        found[NEAR].numbers["digits-vae: AUC, quadratic kernel"].value == other["gap"]["quadratic"]["value"]
    )
    for claim in found.values():
        assert (
            "KL weight is 0.001" in claim.note and "sliced Wasserstein distance 0.20 (p 0.005)" in claim.note
        )


@pytest.mark.parametrize(
    ("unfit", "words"),
    [
        (gap(0.99, same=0.7), "two samples of its prior"),
        (gap(0.99, same=0.63), "two samples of its prior"),
        (gap(0.99, near=0.7), "two samples of its prior"),
        (gap(0.99, planted=0.55), "a planted gap"),
    ],
)
def test_controls_that_say_nothing_leave_it_undecided(unfit: dict[str, Any], words: str) -> None:
    found = judged(gap(0.52), unfit)
    for claim in found.values():
        assert claim.verdict == UNDECIDED and f"do not judge {words} as they must" in claim.note
        assert claim.chance is None
    assert judged(gap(0.52, same=0.7), gap(0.99))[APART].verdict == HOLDS  # the other model's do not matter


def test_models_that_learned_nothing_decide_nothing() -> None:
    found = judged(gap(0.52), gap(0.99), {"digits-vae": "its loss fell by 1 %"})
    assert {claim.verdict for claim in found.values()} == {UNDECIDED}
    assert "the model of digits-vae learned nothing: its loss fell by 1 %" in found[APART].note
    found = judged(gap(0.52), gap(0.99), {"digits": "its loss fell by 1 %"})
    assert (found[APART].verdict, found[NEAR].verdict) == (HOLDS, UNDECIDED)


def test_without_a_vae_there_is_nothing_to_compare() -> None:
    data = uniformity(cloud("latents", 0.0, 1.0))
    assert prior_gap_claims(data, {}, {}) == []
    assert prior_gap_claims(data | {"prior_gap": {"latents": gap(0.5)}, "baseline_run": None}, {}, {}) == []
    assert judged(gap(0.5), None) == {}
    assert [*judged(None, gap(0.99))] == [APART]
