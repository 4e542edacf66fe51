"""A grid of sample sets in one line of a study: lists of steps, schemes and guidances for one set each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from sphere_repro.ledger import ledger
from sphere_repro.strict import MOST, Strict, quoted
from sphere_repro.study.generation import Generation, Position, Sharing, Strength

Steps = Annotated[int, Field(ge=1, le=1000)]
Scale = Annotated[float, Field(ge=1, le=MOST)]
SCHEME, GUIDANCE = ("strength", "noise"), ("scale", "position")


class GuidanceGrid(Strict):
    """Guidances, every scale at every position."""

    scale: Scale | tuple[Scale, ...] = 1.0
    position: Position | tuple[Position, ...] = "combo"


class Grid(Strict):
    """What a list may hold in place of one value; the schema of studies shows it, `expanded` reads it."""

    steps: Steps | tuple[Steps, ...]
    strength: Strength | tuple[Strength, ...] = "fixed"
    noise: Sharing | tuple[Sharing, ...] = "shared"
    guidance: GuidanceGrid = GuidanceGrid()


def expanded(entries: Any) -> Any:
    """Entries of `generations`, each with lists replaced by one entry for every combination.

    Combinations that coincide, as the schemes of a single step do, are one set. Entries without a list, and
    what is no entry at all, stay as they are for the record that reads them.

    Raises:
        ValueError: a list is empty or names a value twice.
    """
    if not isinstance(entries, list | tuple):
        return entries
    return [one for entry in entries for one in _combinations(entry)]


def _combinations(entry: Any) -> list[Any]:
    axes = _axes(entry) if isinstance(entry, Mapping) else {}
    if not any(isinstance(values, list | tuple) for values in axes.values()):
        return [entry]
    for key, values in axes.items():
        if isinstance(values, list | tuple):
            _check(key, values)
    lists = [values if isinstance(values, list | tuple) else [values] for values in axes.values()]
    found = [_with(entry, dict(zip(axes, chosen, strict=True))) for chosen in itertools.product(*lists)]
    return list({_name(one) or place: one for place, one in enumerate(found)}.values())


def _axes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What varies, the slowest first; steps run fastest."""
    guidance = entry.get("guidance")
    found = {key: entry[key] for key in SCHEME if key in entry}
    if isinstance(guidance, Mapping):
        found |= {f"guidance.{key}": guidance[key] for key in GUIDANCE if key in guidance}
    return found | ({"steps": entry["steps"]} if "steps" in entry else {})


def _check(key: str, values: Any) -> None:
    if not values:
        raise ValueError(f"{key} is an empty list")
    for value in values:
        if list(values).count(value) > 1:
            raise ValueError(f"{key}: {quoted(value)} is listed twice")


def _with(entry: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in chosen.items() if "." not in key}
    within = {key.partition(".")[2]: value for key, value in chosen.items() if "." in key}
    return {**entry, **plain} | ({"guidance": {**entry["guidance"], **within}} if within else {})


def _name(entry: Mapping[str, Any]) -> str | None:
    """Its set's name; None of what is no set, which is told where it is read."""
    try:
        return Generation.model_validate(entry).name
    except ValidationError:
        return None


Generations = Annotated[
    tuple[Generation, ...],
    BeforeValidator(expanded, json_schema_input_type=tuple[Generation | Grid, ...]),
]
GRID = ledger(
    section="sampling, schemes",
    reason="lists of steps, strength, noise, guidance.scale and guidance.position stand for one set of each "
    "combination: the paper's tables of schemes and steps would take forty lines",
)
