"""What is said of sets that do not show their classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_results import sphere

from sphere_repro.results.distance_claims import score_claims
from sphere_repro.results.recognised import cells, columns, percent, unrecognised


@pytest.mark.parametrize(
    ("share", "accuracy", "words"),
    [
        (0.2, 0.97, "its classes are not recognised (20 % of its images, 97 % of real ones held out)"),
        (0.49, 0.98, ""),
        (0.489, 0.98, "its classes are not recognised (49 % of its images, 98 % of real ones held out)"),
        (0.96, 0.97, ""),
        (None, 0.97, ""),
        (None, None, ""),
    ],
)
def test_fewer_than_half_of_what_real_images_reach(
    share: float | None, accuracy: float | None, words: str
) -> None:
    assert unrecognised(share, accuracy) == words


CLASSIFIER = {"accuracy": 0.97, "chance": 0.11, "sees": "pixels", "near_chance": False}


def row(share: float | None, **changes: Any) -> dict[str, str]:
    found = columns({"classifier": CLASSIFIER | changes}) | {"share_recognised": share}
    return {name: "" if value is None else str(value) for name, value in found.items()}


def test_cells() -> None:
    assert cells(row(0.9612)) == ("96 %", "97 %")
    assert cells(row(0.2)) == ("20 %, not recognised", "97 %")
    assert cells(row(None)) == ("", "97 %")  # a set without classes
    blind = cells(row(None, accuracy=0.12, near_chance=True))
    assert blind == ("", "12 %, near chance (11 %): no share would mean anything")
    none = dict.fromkeys((*columns({"classifier": None}), "share_recognised"), "")
    assert cells(none) == ("", "")
    assert row(None, near_chance=True)["classifier_sees"] == "nothing"


def test_small_shares_keep_two_digits() -> None:
    assert [percent(share) for share in (0.0051, 0.5, 1, 0)] == ["0.51 %", "50 %", "100 %", "0 %"]


def test_claims_name_the_sets_that_do_not_show_their_classes(tmp_path: Path) -> None:
    """The four steps are nearer, and show other digits than asked for: the verdict stands, and says so."""
    run = sphere()
    words = unrecognised(0.2, 0.97)
    records = [replace(each, unrecognised=words if each.set == "a" else "") for each in run.records]
    found = {claim.claim: claim for claim in score_claims([replace(run, records=tuple(records))])}
    assert found["few-steps-beat-one"].verdict == "holds"
    assert found["few-steps-beat-one"].note == f"a: {words}"
    assert f"a: {words}" in found["fixed-shared-is-best"].note
    assert not score_claims([run])[0].note
