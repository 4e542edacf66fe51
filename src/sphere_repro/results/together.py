"""Claims that are tested at once: of twenty that are untrue, chance alone would let one hold.

Holm's correction: the claims in the order of their chance, each against the level over the number of those
that are left; from the first that fails, none is decided. Chance then decides any of them in fewer than one
of twenty studies, however they depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sphere_repro.results.statements import Claim
from sphere_repro.results.verdicts import LEVEL, UNDECIDED


def together(found: Sequence[Claim]) -> list[Claim]:
    """The claims in their order, undecided where the verdict is one of a single test only."""
    ranked = sorted((claim.chance, place) for place, claim in enumerate(found) if claim.chance is not None)
    judged = list(found)
    kept = True
    for rank, (chance, place) in enumerate(ranked):
        kept = kept and chance < LEVEL / (len(ranked) - rank)
        if not kept and judged[place].verdict != UNDECIDED:
            judged[place] = _undecided(judged[place], chance, len(ranked))
    return judged


def number_tested(found: Sequence[Claim]) -> int:
    """How many of the claims were tested on numbers."""
    return sum(claim.chance is not None for claim in found)


def _undecided(claim: Claim, chance: float, count: int) -> Claim:
    words = f"alone it {claim.verdict} (chance {chance:.2g}), but not among {count} statements tested at once"
    return replace(claim, verdict=UNDECIDED, note="; ".join(filter(None, [claim.note, words])))
