"""The statement that samples are no copies of training images."""

from __future__ import annotations

from collections.abc import Mapping

from sphere_repro.results.nearest import COPIES, MEASURES, Memorisation
from sphere_repro.results.scores import set_label
from sphere_repro.results.statements import LEAST_FOUND, MOST_COPIES, Claim, claim_of
from sphere_repro.results.verdicts import UNDECIDED, Number, decide, difference, every, share


def copies_claim(found: Memorisation, doubts: Mapping[str, str]) -> Claim:
    """Judge one run's sets against what chance gives, and the measure itself by planted copies.

    Args:
        found: of the run's scores.
        doubts: why a set's scores say nothing, by set.
    """
    numbers: dict[str, Number] = {}
    tested, notes = [], [f"control: {found.control}"]
    for measure in MEASURES:
        about = found.about["measures"][measure]
        chance = share(about["control"]["near"], about["control"]["count"])
        numbers[f"{measure}, {found.about['control']}"] = chance
        fit = about[COPIES]["share"] >= LEAST_FOUND
        if not fit:
            notes.append(
                f"{measure} find {100 * about[COPIES]['share']:.0f} % of the planted copies, so they "
                "would miss others: not judged by them"
            )
        for name, measures in found.sets.items():
            counted, doubt = measures[measure], f"{name}: {doubts[name]}" if doubts.get(name) else ""
            own = share(counted["near"], counted["count"], doubt)
            numbers[f"{measure}, {set_label(name)}"] = own
            excess = difference(own, chance)
            tested += [Number(MOST_COPIES - excess.value, excess.se)] if fit else []
    if found.about["looked_at"] < found.about["trained_on"]:
        tested = []
        notes.append(
            "{looked_at} of {trained_on} training images were searched (score.reference_count): copies of "
            "the others would not be seen".format(**found.about)
        )
    verdict = every(decide(each) for each in tested) if tested else UNDECIDED
    name, told = "samples-are-no-copies", "; ".join(notes)
    return claim_of(name, found.run, found.dataset, found.metric, verdict, numbers, told, tested)
