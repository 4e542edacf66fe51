"""The statement that samples are no copies of training images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sphere_repro.results.nearest import COPIES, MEASURES, Memorisation
from sphere_repro.results.scores import set_label
from sphere_repro.results.statements import LEAST_FOUND, MOST_COPIES, Claim, claim_of
from sphere_repro.results.verdicts import UNDECIDED, Number, decide, difference, every


def copies_claim(found: Memorisation, doubts: Mapping[str, str]) -> Claim:
    """Judge one run's sets against what chance gives, and the measure itself by planted copies.

    Args:
        found: of the run's scores.
        doubts: why a set's scores say nothing, by set.
    """
    numbers: dict[str, Number] = {}
    tested = []
    for measure in MEASURES:
        chance = _share(found.about["measures"][measure]["control"])
        numbers[f"{measure}, {found.about['control']}"] = chance
        for name, measures in found.sets.items():
            own = _share(measures[measure], f"{name}: {doubts[name]}" if doubts.get(name) else "")
            numbers[f"{measure}, {set_label(name)}"] = own
            excess = difference(own, chance)
            tested.append(Number(MOST_COPIES - excess.value, excess.se))
    verdict, notes = every(decide(each) for each in tested), [f"control: {found.control}"]
    if fault := _unfit(found.about):
        verdict, tested = UNDECIDED, []
        notes.append(fault)
    name = "samples-are-no-copies"
    told = "; ".join(notes)
    return claim_of(name, found.run, found.dataset, found.metric, verdict, numbers, told, tested)


def _unfit(about: Mapping[str, Any]) -> str:
    """Why the measure cannot tell; empty where it can."""
    for measure in MEASURES:
        planted = about["measures"][measure][COPIES]
        if planted["share"] < LEAST_FOUND:
            share = f"{100 * planted['share']:.0f} %"
            return f"the measure finds {share} of the planted copies in {measure}, so it would miss others"
    if about["looked_at"] < about["trained_on"]:
        return (
            f"{about['looked_at']} of {about['trained_on']} training images were searched "
            "(score.reference_count): copies of the others would not be seen"
        )
    return ""


def _share(counted: Mapping[str, Any], doubt: str = "") -> Number:
    """A share with a standard error that is not 0 where none, or all, are (Agresti and Coull 1998)."""
    count = counted["count"]
    middle = (counted["near"] + 2) / (count + 4)
    return Number(counted["share"], math.sqrt(middle * (1 - middle) / (count + 4)), doubt=doubt)
