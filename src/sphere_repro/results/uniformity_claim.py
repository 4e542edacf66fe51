"""The statement that latents are uniform on the sphere, judged by effect size and against two controls."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sphere_repro.results.statements import LARGEST_ANISOTROPY, LARGEST_MEAN_COSINE, Claim, claim_of
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, Number, decide, every
from sphere_repro.study.scoring import FEWEST


def uniformity_claim(data: dict[str, Any], unmoved_runs: Mapping[str, str] | None = None) -> Claim:
    """Judge one run's latents by effect size, and the test itself by its two controls.

    Latents of a run among `unmoved_runs` (run → how its loss hardly moved) say nothing of the method.
    """
    groups = {key: _effects(cloud) for key, cloud in data["clouds"].items()}
    verdicts = {key: _uniform_in_effect(effects.values()) for key, effects in groups.items()}
    verdict, note = verdicts["latents"], _unexamined(data)
    if note and verdict == HOLDS:
        verdict = UNDECIDED
    if verdicts.get("uniform") != HOLDS or verdicts.get("pixels") != FAILS:
        verdict = UNDECIDED
        note = _joined(note, "the test cannot tell its controls apart: examine more images")
    if why := (unmoved_runs or {}).get(data["run"]):
        verdict, note = UNDECIDED, f"its model learned nothing: {why}"
    numbers = {f"{name}, {key}": pair[0] for key in groups for name, pair in groups[key].items()}
    tested = [] if verdict == UNDECIDED and note else _excesses(groups["latents"].values())
    return claim_of("latents-uniform", data["run"], "", "", verdict, numbers, note, tested)


def _unexamined(data: dict[str, Any]) -> str:
    """What to say of classes that were not examined; empty where each was."""
    classes = data.get("classes", 0)
    examined = len(data["clouds"]["latents"]["classes"])
    if classes < 2 or examined == classes:
        return ""
    return (
        f"{examined} of {classes} classes were examined, the others have fewer than {FEWEST} latents: raise "
        "uniformity.per_class, or use a dataset that has more images of each"
    )


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _effects(cloud: dict[str, Any]) -> dict[str, tuple[Number, float]]:
    """Effect sizes of a cloud, as a whole and averaged over its classes, each with the largest to pass."""
    found: dict[str, tuple[Number, float]] = {}
    limits = {"mean_cosine": LARGEST_MEAN_COSINE, "anisotropy": LARGEST_ANISOTROPY}
    for name, limit in limits.items():
        words = name.replace("_", " ")
        overall = cloud["overall"][name]
        found[words] = Number(overall["value"], overall["se"], _freedom([cloud["overall"]])), limit
        groups = [group[name] for group in cloud["classes"]]
        if groups:
            mean = sum(group["value"] for group in groups) / len(groups)
            se = math.sqrt(sum(group["se"] ** 2 for group in groups)) / len(groups)
            found[f"{words} within classes"] = Number(mean, se, _freedom(cloud["classes"])), limit
    return found


def _freedom(groups: list[dict[str, Any]]) -> float:
    """Degrees of freedom of a jackknife over the points of each group, averaged over the groups."""
    return float(sum(group["count"] - 1 for group in groups))


def _uniform_in_effect(effects: Iterable[tuple[Number, float]]) -> str:
    return every(decide(excess) for excess in _excesses(effects))


def _excesses(effects: Iterable[tuple[Number, float]]) -> list[Number]:
    """How far each effect size stays below its largest."""
    return [Number(limit - number.value, number.se, number.freedom) for number, limit in effects]
