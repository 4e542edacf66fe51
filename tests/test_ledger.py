"""The ledger of every key: meaning, unit, what the released code used, and why ours differs."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from conftest import ROOT
from sphere_repro.data.sources import SOURCES
from sphere_repro.study.config import Study
from workflow.test_environment import script

WRITER = script("write_parameters")
KEYS = dict(WRITER.keys(Study, ""))
SECTIONS = {"notation", "networks", "objective", "sampling", "figures", "published numbers"}


def leaves(annotation: Any) -> set[Any]:
    """The types that a value of an annotation can have."""
    arguments = typing.get_args(annotation)
    return set().union(*map(leaves, arguments)) if arguments else {annotation}


def is_number(annotation: Any) -> bool:
    return typing.get_origin(annotation) is not typing.Literal and bool(leaves(annotation) & {int, float})


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained(key: str) -> None:
    field = KEYS[key]
    told = WRITER.entries(field)
    assert field.description, "no meaning"
    assert set(told) <= {"unit", "section", "released", "reason"}
    if is_number(field.annotation):
        assert told.get("unit"), "a number without a unit"
    assert told.get("section", "notation").split(",")[0] in SECTIONS
    default = None if field.default is PydanticUndefined else field.default
    if "released" not in told or told["released"] != default:
        assert told.get("reason"), "the paper is silent, or ours differs: say why"
    if isinstance(told.get("released"), dict):
        assert set(told["released"]) <= set(SOURCES)


def test_the_ledger_reaches_every_key_of_a_study() -> None:
    some = {"seed", "runs.NAME.model.encoder.width", "runs.NAME.loss.hard_cases.probability"}
    some |= {"runs.NAME.sampling.generations[].guidance.scale", "runs.NAME.ablation.axis", "figures[]"}
    assert some <= KEYS.keys() and len(KEYS) > 60
    assert is_number(KEYS["score.reference_count"].annotation)
    assert not is_number(KEYS["runs.NAME.model.affine"].annotation)


def test_the_schema_says_it_too() -> None:
    schema = json.loads((ROOT / "params" / "schema.json").read_text(encoding="utf-8"))
    angle = schema["$defs"]["Loss"]["properties"]["alpha_max"]
    assert angle["unit"] == "degrees" and angle["released"]["cifar10"] == angle["default"] == 80


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "`0.1`"),
        (False, "`False`"),
        ({"cifar10": 2, "imagenet": 4, "animal-faces": 4}, "`2` cifar10; `4` imagenet, animal-faces"),
    ],
)
def test_released_values_in_words(value: object, text: str) -> None:
    assert WRITER.released_text(value) == text


def test_a_row_has_as_many_cells_as_the_head() -> None:
    text = WRITER.ledger()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in table if "---" not in line} == {7}
    assert len(table) == len(KEYS) + 2
