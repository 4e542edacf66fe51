"""Who trained which steps: code, versions and machine of each stretch of a training, kept in its state."""

from __future__ import annotations

from collections.abc import Sequence

from sphere_repro.provenance.code import MODEL
from sphere_repro.provenance.maker import NOT_IN_MODELS, Maker, maker

Segment = Maker


def segment(step: int, processes: int, *, compiled: bool = False) -> Segment:
    """What trains from step number `step` on: this process's code, versions and machine.

    Returns:
        from_step, code (commit, dirty, sha256 of the modules that train), versions, machine, processes; and
        compiled, where the networks were, which moves the weights by the rounding of fused operations.
    """
    found = {"from_step": step, **maker(MODEL, without=NOT_IN_MODELS), "processes": processes}
    return found | ({"compiled": True} if compiled else {})


def continued(segments: Sequence[Segment], new: Segment) -> list[Segment]:
    """`segments` and a new one, if it differs from the last; one that took no step is dropped.

    One with `after_epochs`, where a finished training of so many epochs was gone on with, always differs, and
    what follows it is not told from it by that.
    """
    kept = [one for one in segments if one["from_step"] < new["from_step"]]
    if kept and "after_epochs" not in new and _same(kept[-1], new):
        return kept
    return [*kept, new]


def _same(one: Segment, other: Segment) -> bool:
    left_out = {"from_step": 0, "after_epochs": 0}
    return one | left_out == other | left_out
