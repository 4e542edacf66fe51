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
    """`segments` and a new one, if it differs from the last; one that took no step is dropped."""
    kept = [one for one in segments if one["from_step"] < new["from_step"]]
    if kept and kept[-1] | {"from_step": 0} == new | {"from_step": 0}:
        return kept
    return [*kept, new]
