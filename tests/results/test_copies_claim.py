"""The verdict on near duplicates, from made-up shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sphere_repro.metrics.memorisation import share
from sphere_repro.results.copies_claim import copies_claim
from sphere_repro.results.nearest import MEASURES, Memorisation


def counted(near: int, count: int) -> dict[str, Any]:
    return share(np.r_[np.zeros(near), np.ones(count - near)], 0.5)


def found(
    samples: int = 10, chance: int = 10, planted: int = 198, count: int = 2000, searched: int = 5000
) -> Memorisation:
    measures = {
        measure: {"below": 0.3, "control": counted(chance, 1000), "planted": counted(planted, 200)}
        for measure in MEASURES
    }
    about = {"control": "training", "looked_at": searched, "trained_on": 5000, "measures": measures}
    sets = {name: dict.fromkeys(MEASURES, counted(samples, count)) for name in ("generation-1", "b")}
    return Memorisation("digits", "digits-8px", "metric", about, sets)


@pytest.mark.parametrize(
    ("shares", "verdict", "words"),
    [
        ({}, "holds", "no images were held out"),
        ({"samples": 100}, "does not hold", ""),
        ({"samples": 40}, "undecided", ""),  # two in a hundred: one beyond chance
        ({"samples": 0, "count": 40, "chance": 1}, "undecided", ""),  # too few to tell
        ({"planted": 150}, "undecided", "find 75 % of the planted copies"),
        ({"searched": 4000}, "undecided", "4000 of 5000 training images were searched"),
    ],
)
def test_the_verdict(shares: dict[str, int], verdict: str, words: str) -> None:
    claim = copies_claim(found(**shares), {})
    assert claim.verdict == verdict and words in claim.note
    assert claim.numbers["pixels, training"].value == shares.get("chance", 10) / 1000
    assert claim.numbers["features, 1 step"].se > 0


def test_a_measure_that_misses_planted_copies_is_left_out() -> None:
    half = found()
    half.about["measures"]["features"] = half.about["measures"]["features"] | {"planted": counted(20, 200)}
    half.sets["b"] = half.sets["b"] | {"features": counted(200, 2000)}
    claim = copies_claim(half, {})
    assert claim.verdict == "holds" and "features find 10 % of the planted copies" in claim.note


def test_one_set_of_copies_is_enough() -> None:
    mixed = found()
    mixed.sets["b"] = mixed.sets["b"] | {"pixels": counted(200, 2000)}
    assert copies_claim(mixed, {}).verdict == "does not hold"


def test_sets_that_say_nothing_decide_nothing() -> None:
    claim = copies_claim(found(), {"b": "its images are alike"})
    assert claim.verdict == "undecided" and "b: its images are alike" in claim.note
