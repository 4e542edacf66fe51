"""A grid of sample sets in one line of a study."""

from __future__ import annotations

from typing import Any

import pytest

from sphere_repro.errors import UserError
from sphere_repro.strict import parse
from sphere_repro.study.image_sets import Interpolation
from sphere_repro.study.sampling import Sampling


def names(*entries: Any) -> list[str]:
    return [each.name for each in parse(Sampling, {"generations": list(entries)}, "here").generations]


def test_lists_stand_for_every_combination_once() -> None:
    found = names({"steps": [1, 2], "strength": ["fixed", "linear"], "noise": ["shared", "independent"]})
    assert found == [
        "generation-1",
        "generation-2-fixed-shared",
        "generation-2-fixed-independent",
        "generation-2-linear-shared",
        "generation-2-linear-independent",
    ]


def test_guidances_too_and_without_guidance_there_is_no_position() -> None:
    found = names({"steps": 1, "guidance": {"scale": [1, 2.5], "position": ["enc", "dec"]}})
    assert found == ["generation-1", "generation-1-enc2.5", "generation-1-dec2.5"]


def test_it_is_the_same_as_writing_each() -> None:
    grid = {"generations": [{"steps": [2, 4], "noise": "initial"}, {"steps": 1}]}
    plain = {"generations": [{"steps": s, "noise": "initial"} for s in (2, 4)] + [{"steps": 1}]}
    assert Sampling.model_validate(grid) == Sampling.model_validate(plain)
    again = Sampling.model_validate(Sampling.model_validate(grid).model_dump(mode="json"))
    assert again == Sampling.model_validate(grid)


def test_interpolations_take_them_as_well() -> None:
    found = parse(Interpolation, {"name": "line", "generations": [{"steps": [1, 4]}]}, "here")
    assert [each.steps for each in found.generations] == [1, 4]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"steps": []}], "generations: steps is an empty list"),
        ([{"steps": [4, 4]}], "generations: steps: '4' is listed twice"),
        ([{"steps": [0, 4]}], r"generations\.0\.steps: input should be greater than or equal to 1, not 0"),
        ([{"steps": [1, 4]}, {"steps": 4}], "'generation-4-fixed-shared' is listed twice"),
        ([{"steps": 4, "strength": ["fixed", "liner"]}], "input should be 'fixed' or 'linear', not 'liner'"),
        ([{"step": [1, 4]}], "unknown key 'step'; did you mean 'steps'"),
        ([5], r"generations\.0: input should be a valid dictionary"),
        (5, "generations: input should be a valid tuple, not 5"),
        ([{"steps": [2, True]}], "steps is a number, not true"),
    ],
)
def test_mistakes_are_told(entries: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(Sampling, {"generations": entries}, "here")
